import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedReload } from '../../../../src/runtime/systemd/shared-reload.ts';
import { settle } from '../../../support/fake-clock.ts';

function counted() {
  const open: { readonly end: () => void; readonly fail: (error: Error) => void }[] = [];
  const shared = new SharedReload(
    () =>
      new Promise((resolve, reject) => {
        open.push({ end: resolve, fail: reject });
      }),
  );
  return { shared, open };
}

test('those who ask while a reload runs share the next one', async () => {
  const { shared, open } = counted();
  const first = shared.request();
  const others = [shared.request(), shared.request(), shared.request()];
  assert.equal(open.length, 1);
  let ended = 0;
  for (const other of others) {
    void other.then(() => {
      ended += 1;
    });
  }
  open[0]?.end();
  await first;
  await settle();
  assert.deepEqual([open.length, ended], [2, 0]);
  open[1]?.end();
  await Promise.all(others);
  await settle();
  assert.equal(open.length, 2);
});

test('a reload that fails fails for those who asked for it, and the next one is made', async () => {
  const { shared, open } = counted();
  const first = assert.rejects(shared.request(), /busy/);
  const second = shared.request();
  open[0]?.fail(new Error('busy'));
  await first;
  await settle();
  open[1]?.end();
  await second;
  const third = shared.request();
  open[2]?.end();
  await third;
});
