import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findReasons, type PastChange } from '../../lab/checker/store-history.ts';

function change(path: string, value: object | undefined, atMs = 1): PastChange {
  return { atMs, revision: 1, path, value: value === undefined ? undefined : JSON.stringify(value) };
}

const assignment = 'assignments/n/web/0';
const status = 'status/n/web/0';

test('an order to stop and an order of another spec are reasons; a first order, the same one again and its end are none', () => {
  const run = { order: 'run', spec: 1, reason: 'placed' };
  assert.deepEqual(findReasons([change(assignment, run), change(assignment, run), change(assignment, undefined)]), []);
  const texts = findReasons([
    change(assignment, run),
    change(assignment, { ...run, spec: 2, reason: 'new spec' }),
    change(assignment, { ...run, spec: 2, order: 'stop', reason: 'moved' }),
  ]);
  assert.deepEqual(
    texts.map(({ instance, node, text }) => [instance, node, text]),
    [
      ['web.0', 'n', 'new spec'],
      ['web.0', 'n', 'moved'],
    ],
  );
});

test('what a node says that it stopped is a reason; that it started what had ended is none', () => {
  const said = (kind: string, reason: string) => change(status, { lastAction: { kind, reason, at: '' } });
  assert.deepEqual(findReasons([said('start', 'ended'), said('start', 'assigned-here')]), []);
  assert.equal(findReasons([said('stop', 'spec-changed')]).length, 1);
});

test('what can not be read is no reason', () => {
  assert.deepEqual(findReasons([{ atMs: 1, revision: 1, path: status, value: 'garbage' }]), []);
});
