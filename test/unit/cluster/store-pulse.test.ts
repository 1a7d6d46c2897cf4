import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StorePulse, tapLeases } from '../../../src/cluster/store-pulse.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const ttlMs = 10_000;
const never = new AbortController().signal;

function open() {
  const clock = new FakeClock();
  const pulse = new StorePulse(clock);
  const answered = (raftTerm: number, lease = '7', granted = ttlMs) =>
    pulse.answered(lease, { ttlMs: granted, store: { clusterId: 'x', raftTerm, revision: 1 } });
  return { clock, pulse, answered };
}

test('StorePulse notices an election by a higher raft term, once, and not by its first answer or an older one', () => {
  const { clock, pulse, answered } = open();
  let elections = 0;
  const stop = pulse.onElection(() => {
    elections += 1;
  });
  answered(5);
  assert.equal(pulse.electedAtMs, undefined);
  clock.stall(2_500);
  answered(6);
  answered(6);
  answered(5);
  assert.deepEqual([elections, pulse.electedAtMs], [1, clock.monotonicMs()]);
  stop();
  answered(7);
  assert.equal(elections, 1);
});

test('StorePulse takes a lease that outlived its TTL unrenewed for an outage of the store', () => {
  const { clock, pulse, answered } = open();
  answered(5);
  clock.stall(11_000);
  answered(5);
  assert.equal(pulse.outage, undefined);
  clock.stall(60_000);
  answered(6);
  assert.deepEqual(pulse.outage, { endedAtMs: clock.monotonicMs(), lengthMs: 60_000 });
});

test('StorePulse takes a lease that is gone, or another one, for no outage', () => {
  const { clock, pulse, answered } = open();
  answered(5);
  clock.stall(60_000);
  answered(5, '7', 0);
  clock.stall(60_000);
  answered(5, '8');
  assert.equal(pulse.outage, undefined);
});

test('tapLeases() tells the pulse of each answer and changes none: an election between the grant and the first renewal is noticed', async () => {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  const pulse = new StorePulse(clock);
  const kv = tapLeases(store.client(), pulse);
  const { id } = await kv.grantLease(ttlMs, never);
  for (const ms of [2_500, 2_500]) {
    store.stop();
    store.start();
    clock.stall(ms);
    assert.equal((await kv.renewLease(id, 1_000, never)).ttlMs, ttlMs);
    assert.equal(pulse.electedAtMs, clock.monotonicMs());
  }
});
