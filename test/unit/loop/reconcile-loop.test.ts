import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReconcileLoop } from '../../../src/loop/reconcile-loop.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function make(pass: (count: number) => Promise<void> = () => Promise.resolve()) {
  const clock = new FakeClock();
  const stop = new AbortController();
  const failures: number[] = [];
  let passes = 0;
  const loop = new ReconcileLoop({
    clock,
    intervalMs: 60_000,
    backoffMs: (count) => count * 1_000,
    pass: () => {
      passes += 1;
      return pass(passes);
    },
    onFailure: (_error, count) => failures.push(count),
  });
  const running = loop.run(stop.signal);
  return {
    clock,
    loop,
    failures,
    passes: () => passes,
    end: () => {
      stop.abort();
      return running;
    },
  };
}

test('a loop passes at once, and then once an interval', async () => {
  const { clock, passes, end } = make();
  await clock.advance(0);
  assert.equal(passes(), 1);
  await clock.advance(60_000);
  assert.equal(passes(), 2);
  await end();
});

test('nudges coalesce into one pass', async () => {
  const { clock, loop, passes, end } = make();
  await clock.advance(0);
  for (let count = 0; count < 10; count += 1) loop.nudge();
  await clock.advance(0);
  assert.equal(passes(), 2);
  await end();
});

test('a nudge during a pass causes another one', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { clock, loop, passes, end } = make((count) => (count === 1 ? promise : Promise.resolve()));
  await clock.advance(0);
  loop.nudge();
  resolve();
  await clock.advance(0);
  assert.equal(passes(), 2);
  await end();
});

test('a pass wished for within a time begins at that time', async () => {
  const wishes: (() => void)[] = [];
  const { clock, loop, passes, end } = make(() => Promise.resolve(wishes.shift()?.()));
  wishes.push(() => {
    loop.nudgeWithin(3_000);
    loop.nudgeWithin(500);
  });
  await clock.advance(0);
  loop.nudge();
  await clock.advance(0);
  const before = passes();
  await clock.advance(499);
  assert.equal(passes(), before);
  await clock.advance(1);
  assert.equal(passes(), before + 1);
  await clock.advance(10_000);
  assert.equal(passes(), before + 1);
  await end();
});

test('a failing pass backs off, whatever nudges come, and a good one forgives', async () => {
  const { clock, loop, failures, passes, end } = make((count) =>
    count <= 2 ? Promise.reject(new Error('unreadable')) : Promise.resolve(),
  );
  await clock.advance(0);
  loop.nudge();
  await clock.advance(999);
  assert.equal(passes(), 1);
  await clock.advance(1);
  await clock.advance(2_000);
  assert.equal(passes(), 3);
  assert.deepEqual(failures, [1, 2]);
  await end();
});

test('an ended loop leaves no timer behind', async () => {
  const { clock, end } = make();
  await clock.advance(0);
  await end();
  assert.equal(clock.pendingTimers, 0);
});

test('a loop tells how long each pass took and whether it failed, and how long the one under way has taken', async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const told: [tookMs: number, hasFailed: boolean][] = [];
  let passes = 0;
  const loop = new ReconcileLoop({
    clock,
    intervalMs: 60_000,
    backoffMs: () => 1_000,
    pass: async (signal) => {
      passes += 1;
      await clock.sleep(passes * 100, signal);
      signal.throwIfAborted();
      if (passes === 2) throw new Error('the world can not be read');
    },
    onFailure: () => {},
    onPass: (tookMs, hasFailed) => told.push([tookMs, hasFailed]),
  });
  const running = loop.run(stop.signal);
  await clock.advance(60);
  assert.equal(loop.runningForMs, 60);
  await clock.advance(60);
  assert.equal(loop.runningForMs, 0);
  loop.nudge();
  await clock.advance(300);
  loop.nudge();
  await clock.advance(1_000);
  assert.equal(passes, 3);
  stop.abort(new Error('it ends'));
  await running;
  assert.deepEqual(told, [
    [100, false],
    [200, true],
  ]);
  assert.equal(loop.runningForMs, 0);
});
