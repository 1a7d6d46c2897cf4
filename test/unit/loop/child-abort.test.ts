import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { ChildAbort } from '../../../src/loop/child-abort.ts';

test('a child aborts with its parent, for the same reason', () => {
  const parent = new AbortController();
  using child = new ChildAbort(parent.signal);
  const reason = new Error('enough');
  parent.abort(reason);
  assert.equal(child.signal.reason, reason);
});

test('a child of a parent that has aborted is aborted from the start', () => {
  using child = new ChildAbort(AbortSignal.abort(new Error('enough')));
  assert.ok(child.signal.aborted);
});

test('a child can abort alone, and leaves nothing behind on its parent', () => {
  const parent = new AbortController();
  for (let count = 0; count < 100; count += 1) {
    using child = new ChildAbort(parent.signal);
    child.abort();
  }
  assert.equal(parent.signal.aborted, false);
  assert.equal(getEventListeners(parent.signal, 'abort').length, 0);
});
