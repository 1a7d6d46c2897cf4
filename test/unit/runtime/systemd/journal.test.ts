import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJournalLine } from '../../../../src/runtime/systemd/journal.ts';

const at = '2026-11-21T18:25:30.324929Z';
const entry = (over: object) => JSON.stringify({ __REALTIME_TIMESTAMP: '1795285530324929', ...over });

const cases: readonly (readonly [what: string, json: string, expected: unknown])[] = [
  ['a line', entry({ MESSAGE: 'hi', PRIORITY: '6' }), { at, stream: 'stdout', text: 'hi' }],
  ['an error', entry({ MESSAGE: 'oh', PRIORITY: '3' }), { at, stream: 'stderr', text: 'oh' }],
  ['a line without priority', entry({ MESSAGE: '' }), { at, stream: 'stdout', text: '' }],
  ['bytes', entry({ MESSAGE: [104, 105, 255] }), { at, stream: 'stdout', text: 'hi\uFFFD' }],
  ['a field that came twice', entry({ MESSAGE: ['one', 'two'] }), { at, stream: 'stdout', text: 'one' }],
  ['a message that was too long to print', entry({ MESSAGE: null }), undefined],
  ['half an entry', entry({ MESSAGE: 'hi' }).slice(0, 20), undefined],
  ['no object', '3', undefined],
];
for (const [what, json, expected] of cases) {
  test(`parseJournalLine() reads ${what}`, () => {
    assert.deepEqual(parseJournalLine(json), expected);
  });
}
