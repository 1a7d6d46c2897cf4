import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../support/fake-clock.ts';

test('advance() runs timers in order of time, also those that timers make', async () => {
  const clock = new FakeClock({ monotonicMs: 0 });
  const seen: string[] = [];
  clock.after(20, () => seen.push(`b${clock.monotonicMs()}`));
  clock.after(10, () => {
    seen.push(`a${clock.monotonicMs()}`);
    clock.after(5, () => seen.push(`c${clock.monotonicMs()}`));
  });
  clock.after(31, () => seen.push('never'));
  await clock.advance(30);
  assert.deepEqual(seen, ['a10', 'c15', 'b20']);
  assert.equal(clock.monotonicMs(), 30);
  assert.equal(clock.pendingTimers, 1);
});

test('sleep() resolves true after its time and false on abort, leaving no timer', async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const slept = clock.sleep(100, stop.signal);
  const stopped = clock.sleep(200, stop.signal);
  await clock.advance(100);
  assert.equal(await slept, true);
  stop.abort();
  assert.equal(await stopped, false);
  assert.equal(await clock.sleep(1, stop.signal), false);
  assert.equal(clock.pendingTimers, 0);
});

test('advanceUntil() stops at the condition and fails when time runs out', async () => {
  const clock = new FakeClock({ monotonicMs: 0 });
  let done = false;
  clock.after(50, () => {
    done = true;
  });
  clock.after(500, () => {});
  await clock.advanceUntil(() => done, 100);
  assert.equal(clock.monotonicMs(), 50);
  await assert.rejects(
    clock.advanceUntil(() => false, 100),
    /within 100 ms/,
  );
});
