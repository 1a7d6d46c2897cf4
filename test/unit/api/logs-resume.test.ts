import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResumePoint } from '../../../src/api/logs-resume.ts';
import {
  encodeLines,
  encodeNotice,
  joinLines,
  type LogBatch,
  linePattern,
  splitBatch,
} from '../../../src/api/logs-text.ts';

const pattern = linePattern({ instance: 'web.0', node: 'node1' });
const first = { follow: true, tail: 10 };

const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000Z`;

/** Lines of these seconds. */
function lines(...seconds: readonly number[]): LogBatch {
  return encodeLines(
    seconds.map((second) => ({ at: at(second), stream: 'stdout', text: '","kind":"notice" \n{"at":"9999' })),
    pattern,
  );
}

const secondsOf = (batch: LogBatch) => splitBatch(batch).map((line) => Number(line.at.slice(17, 19)));

test('reading begins as it was asked for while nothing came', () => {
  const resume = new ResumePoint();
  const notice = encodeNotice({ at: at(50), kind: 'notice', text: 'web.0 is on node1 now' });
  assert.deepEqual(resume.take(notice), notice);
  assert.deepEqual(resume.options(first), first);
});

test('it goes on at the latest line, without those of its time that were there', () => {
  const resume = new ResumePoint();
  for (const batch of [lines(1, 2), lines(3), lines(3, 3)]) assert.equal(resume.take(batch), batch, 'as it came');
  assert.deepEqual(resume.options(first), { follow: true, since: at(3) });
  assert.deepEqual(secondsOf(resume.take(lines(3, 3))), []);
  assert.deepEqual(secondsOf(resume.take(lines(3, 3, 4))), [3, 4]);
  assert.deepEqual(resume.options(first), { follow: true, since: at(4) });
  assert.deepEqual(secondsOf(resume.take(lines(4, 4))), [4]);
});

test('a line that comes late is no step back, and a notice none at all', () => {
  const resume = new ResumePoint();
  const notice = encodeNotice({ at: at(40), kind: 'notice', text: 'missed', lost: 3 });
  const batch = joinLines([...splitBatch(lines(5, 2)), ...splitBatch(notice), ...splitBatch(lines(5, 4))]);
  resume.take(batch);
  resume.take(Buffer.from('\n\n'));
  assert.deepEqual(resume.options(first), { follow: true, since: at(5) });
  assert.deepEqual(secondsOf(resume.take(lines(5, 5, 5))), [5]);
});
