import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Session, type SessionState } from '../../../src/etcd/session.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const never = new AbortController().signal;

async function begin(adoptId?: string) {
  const clock = new FakeClock({ monotonicMs: 0 });
  const store = new MemoryStore(clock);
  const kv = store.client();
  const changes: [atMs: number, state: SessionState][] = [];
  const onChange = (state: SessionState) => changes.push([clock.monotonicMs(), state]);
  const options = { kv, clock, log: silentLog, ttlMs: 10_000, onChange, random: () => 0 };
  const session = adoptId ? await Session.adopt(options, adoptId, never) : await Session.open(options, never);
  const stop = new AbortController();
  return { clock, store, kv, changes, session: session as Session, stop, options };
}

const statesOf = (changes: readonly (readonly [atMs: number, state: SessionState])[]) =>
  changes.map(([, state]) => state);

test('Session renews each quarter of the TTL and keeps its lease', async () => {
  const { clock, store, kv, changes, session, stop } = await begin();
  const running = session.run(stop.signal);
  await clock.advance(60_000);
  assert.equal(kv.calls.get('renewLease'), 24);
  assert.deepEqual(changes, []);
  assert.equal(session.state, 'live');
  assert.equal(session.lastRenewedSentAtMs, 60_000);
  assert.equal(session.fenceAtMs, 66_000);
  assert.equal(session.remainingMs(), 6_000);
  assert.equal(store.leaseTimeToLive(session.leaseId).remainingMs, 10_000);
  stop.abort();
  await running;
});

test('Session is doubtful at 0.6 of the TTL from when the last answered renewal was sent', async () => {
  const { clock, kv, changes, session, stop } = await begin();
  kv.setFaults({ delayMs: 1_000 });
  const running = session.run(stop.signal);
  await clock.advance(3_600); // sent at 2500, answered at 3500
  assert.equal(session.fenceAtMs, 8_500);
  kv.cutOff();
  await clock.advance(4_899);
  assert.equal(session.holds, true);
  await clock.advance(1);
  assert.equal(session.holds, false);
  assert.deepEqual(changes, [[8_500, 'doubtful']]);
  stop.abort();
  await running;
});

test('Session that renews again after its deadline counts only once its owner has confirmed it', async () => {
  const { clock, kv, changes, session, stop } = await begin();
  const running = session.run(stop.signal);
  kv.cutOff();
  await clock.advance(7_000);
  kv.reconnect();
  await clock.advanceUntil(() => session.state === 'resumed', 2_500);
  assert.deepEqual(statesOf(changes), ['doubtful', 'resumed']);
  assert.equal(session.holds, false);
  assert.equal(session.remainingMs(), 0);
  assert.equal(session.confirm(), true);
  assert.equal(session.state, 'live');
  assert.equal(session.fenceAtMs, session.lastRenewedSentAtMs + 6_000);
  await clock.advance(20_000);
  assert.deepEqual(statesOf(changes), ['doubtful', 'resumed', 'live']);
  stop.abort();
  await running;
});

test('Session cannot be confirmed on an answer that is too old, and resumes anew', async () => {
  const { clock, kv, changes, session, stop } = await begin();
  const running = session.run(stop.signal);
  kv.cutOff();
  await clock.advance(7_000);
  kv.reconnect();
  await clock.advanceUntil(() => session.state === 'resumed', 2_500);
  kv.cutOff();
  await clock.advance(6_500);
  assert.equal(session.confirm(), false);
  assert.equal(session.state, 'doubtful');
  kv.reconnect();
  await clock.advanceUntil(() => session.state === 'resumed', 3_000);
  assert.equal(session.confirm(), true);
  assert.deepEqual(statesOf(changes), ['doubtful', 'resumed', 'doubtful', 'resumed', 'live']);
  stop.abort();
  await running;
});

test('Session of a stalled process does not hold, whatever runs first when it goes on', async () => {
  const { clock, changes, session, stop } = await begin();
  const running = session.run(stop.signal);
  await clock.advance(1_000);
  clock.stall(5_500);
  assert.equal(session.holds, false);
  assert.equal(session.state, 'doubtful');
  await clock.advance(0);
  assert.deepEqual(statesOf(changes), ['doubtful', 'resumed']);
  stop.abort();
  await running;
});

test('Session is not revived by an answer that comes after its deadline, though it was sent before', async () => {
  const { clock, kv, changes, session, stop } = await begin();
  const running = session.run(stop.signal);
  kv.setFaults({ unreachable: 'refuse' });
  await clock.advance(5_000);
  kv.setFaults({ unreachable: 'no', delayMs: 1_500 });
  await clock.advance(2_500);
  assert.ok(session.lastRenewedSentAtMs < 6_000);
  assert.deepEqual(statesOf(changes), ['doubtful', 'resumed']);
  stop.abort();
  await running;
});

test('Session is not revived by a late answer that is handled before the late timer', async () => {
  const clock = new FakeClock({ monotonicMs: 0 });
  const changes: SessionState[] = [];
  const onChange = (state: SessionState) => changes.push(state);
  const store = { clusterId: '1', raftTerm: 2, revision: 1 };
  const kv = {
    grantLease: async () => ({ id: '1', ttlMs: 10_000, store }),
    renewLease: async () => {
      const sentAtMs = clock.monotonicMs();
      clock.stall(5_000);
      return { ttlMs: 10_000, sentAtMs, store };
    },
  };
  const session = await Session.open({ kv, clock, log: silentLog, ttlMs: 10_000, onChange }, never);
  const stop = new AbortController();
  const running = session.run(stop.signal);
  await clock.advanceUntil(() => changes.length > 0, 2_500);
  assert.deepEqual(changes.slice(0, 2), ['doubtful', 'resumed']);
  assert.equal(session.holds, false);
  stop.abort();
  await running;
});

test('Session ends as lost when the store says so, and its deadline stands', async () => {
  const { clock, store, changes, session, stop } = await begin();
  const running = session.run(stop.signal);
  await clock.advance(2_500);
  store.revokeLease(session.leaseId);
  await clock.advance(2_500);
  await running;
  assert.deepEqual(changes, [[5_000, 'lost']]);
  assert.equal(session.holds, false);
  assert.equal(session.fenceAtMs, 8_500);
  await clock.advance(10_000);
  assert.equal(changes.length, 1);
  assert.equal(clock.pendingTimers, 0);
});

test('Session outlives an outage of the store, during which no lease runs out', async () => {
  const { clock, store, session, stop, changes } = await begin();
  const running = session.run(stop.signal);
  await clock.advance(3_000);
  store.stop();
  await clock.advance(60_000);
  assert.equal(session.state, 'doubtful');
  store.start();
  await clock.advance(3_500);
  assert.equal(session.confirm(), true);
  assert.deepEqual(statesOf(changes), ['doubtful', 'resumed', 'live']);
  stop.abort();
  await running;
});

test('Session of which the lease ran out while it was cut off learns so when it is back', async () => {
  const { clock, kv, session, stop, changes } = await begin();
  const running = session.run(stop.signal);
  kv.cutOff();
  await clock.advance(15_000);
  kv.reconnect();
  await clock.advance(3_000);
  await running;
  assert.deepEqual(statesOf(changes), ['doubtful', 'lost']);
  assert.equal(session.holds, false);
  stop.abort();
});

test('Session.adopt() takes a living lease over, and says when it is gone', async () => {
  const { clock, store, session, options } = await begin();
  await clock.advance(4_000);
  const adopted = await Session.adopt(options, session.leaseId, never);
  assert.equal(adopted?.leaseId, session.leaseId);
  assert.equal(adopted?.ttlMs, 10_000);
  assert.equal(adopted?.fenceAtMs, 10_000);
  store.revokeLease(session.leaseId);
  assert.equal(await Session.adopt(options, session.leaseId, never), undefined);
});

test('Session.run() leaves no timer and revokes nothing when it is aborted', async () => {
  const { clock, store, session, stop } = await begin();
  const timers = clock.pendingTimers;
  const running = session.run(stop.signal);
  await clock.advance(1_000);
  stop.abort();
  await running;
  assert.equal(clock.pendingTimers, timers);
  assert.equal(store.leaseTimeToLive(session.leaseId).remainingMs, 9_000);
});

test('Session retries a failed renewal well before the next is due', async () => {
  const { clock, kv, session, stop, changes } = await begin();
  const running = session.run(stop.signal);
  await clock.advance(2_000);
  kv.setFaults({ unreachable: 'refuse' });
  await clock.advance(2_000);
  kv.reconnect();
  await clock.advance(1_000);
  assert.ok(session.lastRenewedSentAtMs > 4_000);
  assert.deepEqual(changes, []);
  stop.abort();
  await running;
});
