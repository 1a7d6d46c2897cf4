import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StorePulse, tapRenewals } from '../../../src/cluster/store-pulse.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const ttlMs = 10_000;
const never = new AbortController().signal;

function open() {
  const clock = new FakeClock();
  const pulse = new StorePulse(clock);
  const renewed = (raftTerm: number, lease = '7', granted = ttlMs) =>
    pulse.renewed(lease, { ttlMs: granted, sentAtMs: 0, store: { clusterId: 'x', raftTerm, revision: 1 } });
  return { clock, pulse, renewed };
}

test('StorePulse notices an election by a higher raft term, once, and not by its first answer or an older one', () => {
  const { clock, pulse, renewed } = open();
  let elections = 0;
  const stop = pulse.onElection(() => {
    elections += 1;
  });
  renewed(5);
  assert.equal(pulse.electedAtMs, undefined);
  clock.stall(2_500);
  renewed(6);
  renewed(6);
  renewed(5);
  assert.deepEqual([elections, pulse.electedAtMs], [1, clock.monotonicMs()]);
  stop();
  renewed(7);
  assert.equal(elections, 1);
});

test('StorePulse takes a lease that outlived its TTL unrenewed for an outage of the store', () => {
  const { clock, pulse, renewed } = open();
  renewed(5);
  clock.stall(11_000);
  renewed(5);
  assert.equal(pulse.outage, undefined);
  clock.stall(60_000);
  renewed(6);
  assert.deepEqual(pulse.outage, { endedAtMs: clock.monotonicMs(), lengthMs: 60_000 });
});

test('StorePulse takes a lease that is gone, or another one, for no outage', () => {
  const { clock, pulse, renewed } = open();
  renewed(5);
  clock.stall(60_000);
  renewed(5, '7', 0);
  clock.stall(60_000);
  renewed(5, '8');
  assert.equal(pulse.outage, undefined);
});

test('tapRenewals() tells the pulse of each renewal and changes no answer', async () => {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  const pulse = new StorePulse(clock);
  const kv = tapRenewals(store.client(), pulse);
  const { id } = await kv.grantLease(ttlMs, never);
  assert.equal((await kv.renewLease(id, 1_000, never)).ttlMs, ttlMs);
  store.stop();
  store.start();
  await kv.renewLease(id, 1_000, never);
  assert.equal(pulse.electedAtMs, clock.monotonicMs());
});
