import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Session } from '../../../src/etcd/session.ts';
import { countSuspension } from '../../../src/loop/count-suspension.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

function begin() {
  const base = new FakeClock({ monotonicMs: 0 });
  const machine = { sleptMs: 0, isReadable: true };
  let reads = 0;
  const clock = countSuspension(base, () => {
    reads += 1;
    return machine.isReadable ? Math.floor((base.monotonicMs() + machine.sleptMs + 77_000) / 10) * 10 : undefined;
  });
  return { base, machine, clock, reads: () => reads };
}

test('countSuspension() adds each time that the machine slept, once', async () => {
  const { base, machine, clock } = begin();
  assert.equal(clock.monotonicMs(), 0);
  machine.sleptMs += 60_000;
  await base.advance(100);
  assert.ok(Math.abs(clock.monotonicMs() - 60_100) <= 10);
  await base.advance(100);
  assert.ok(Math.abs(clock.monotonicMs() - 60_200) <= 10);
  machine.sleptMs += 5_000;
  await base.advance(100);
  assert.ok(Math.abs(clock.monotonicMs() - 65_300) <= 20);
});

test('countSuspension() never goes back, counts no noise, and reads the other clock not at each call', async () => {
  const { base, clock, reads } = begin();
  let last = clock.monotonicMs();
  for (let step = 0; step < 5_000; step += 1) {
    await base.advance(1.7);
    const now = clock.monotonicMs();
    assert.ok(now >= last);
    last = now;
  }
  assert.ok(Math.abs(last - base.monotonicMs()) < 1);
  assert.ok(reads() <= (5_000 * 1.7) / 20 + 1, `${reads()}`);
});

test('countSuspension() goes on without what it cannot read', async () => {
  const { base, machine, clock } = begin();
  machine.isReadable = false;
  await base.advance(1_000);
  assert.equal(clock.monotonicMs(), 1_000);
  machine.isReadable = true;
  await base.advance(1_000);
  assert.equal(clock.monotonicMs(), 2_000);
});

test('Session of a machine that slept past its deadline is doubtful when the machine runs again, before any answer', async () => {
  const { base, machine, clock } = begin();
  const store = new MemoryStore(base);
  const kv = store.client();
  const changes: string[] = [];
  const { signal } = new AbortController();
  const stop = new AbortController();
  const options = { kv, clock, log: silentLog, ttlMs: 10_000, random: () => 0 };
  const session = await Session.open({ ...options, onChange: (state) => changes.push(state) }, signal);
  const running = session.run(stop.signal);
  await base.advance(3_000);
  assert.equal(session.holds, true);
  machine.sleptMs += 20_000;
  await base.advance(30);
  assert.equal(session.holds, false, 'whoever asks knows at once');
  kv.cutOff();
  await base.advance(2_500);
  assert.deepEqual(changes, ['doubtful'], 'told with the next renewal, which nobody has answered');
  stop.abort();
  await running;
});
