import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { usualTiming } from '../../../src/cluster/ask-leases.ts';
import { StorePulse } from '../../../src/cluster/store-pulse.ts';
import { Brake } from '../../../src/leader/brake.ts';
import { ClusterState } from '../../../src/leader/cluster-state.ts';
import { LossClock } from '../../../src/leader/loss-clock.ts';
import { massLossSettings } from '../../../src/leader/mass-loss.ts';
import type { Clock } from '../../../src/loop/clock.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { nodeId } from '../plan/plan-cluster-world.ts';
import { LeaderFixture, layout, TTL_MS } from './leader-fixture.ts';

const [a, b, c] = [nodeId('a'), nodeId('b'), nodeId('c')];
const fixtures: LeaderFixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.close();
});

/** Each look at the time takes a while once `aheadMs` is set, as on a busy machine; until then it is the fake clock. */
class SlowClock implements Clock {
  readonly #clock: Clock;
  aheadMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  monotonicMs(): number {
    if (this.aheadMs !== undefined) this.aheadMs += 0.2;
    return this.#clock.monotonicMs() + (this.aheadMs ?? 0);
  }

  wallTime(): Date {
    return this.#clock.wallTime();
  }

  sleep(ms: number, signal: AbortSignal): Promise<boolean> {
    return this.#clock.sleep(ms, signal);
  }

  after(ms: number, then: () => void): () => void {
    return this.#clock.after(ms, then);
  }
}

test('Brake lets nothing of a mass loss be replaced, whenever in a pass the patience for answers ends', async () => {
  for (let aheadMs = 0; aheadMs < 2.4; aheadMs += 0.1) {
    const fixture = new LeaderFixture('a', 'b', 'c');
    fixtures.push(fixture);
    const clock = new SlowClock(fixture.clock);
    fixture.setWorkload('web', { replicas: 3 });
    fixture.lead({}, { clock });
    await fixture.settle();
    for (const node of [a, b, c]) fixture.beat(node);
    await fixture.clock.advance(100);
    const before = fixture.orders();
    fixture.kv.leaseTimeToLive = () => new Promise(() => {});
    for (const node of [a, b]) fixture.delete(layout.presence(node));
    await fixture.clock.advance(1_198);
    clock.aheadMs = aheadMs;
    fixture.setWorkload('other', { replicas: 0 }); // a pass, just now
    await fixture.clock.advance(0);
    clock.aheadMs = undefined;
    await fixture.clock.advance(3_000);
    assert.deepEqual(fixture.orders(), before, `the pass began ${aheadMs.toFixed(1)} ms later`);
    assert.equal(fixture.hold?.reason, '2 of 3 nodes vanished together');
  }
});

test('Brake releases a lost node only once it has judged it, however long ago that was due', async () => {
  const clock = new FakeClock({ monotonicMs: 100_000 });
  const kv = new MemoryStore(clock).client('leader');
  const lossClock = new LossClock({ ttlMs: TTL_MS, termBeganMs: 0, predecessor: undefined });
  const state = new ClusterState({ layout, ttlMs: TTL_MS, lossClock, onUnreadable: assert.fail });
  const parts = { kv, layout, state, lossClock, ttlMs: TTL_MS, timing: usualTiming, clock, log: silentLog };
  const settings = massLossSettings({ ttlMs: TTL_MS });
  const committer = { commit: () => Promise.resolve(true) };
  const brake = new Brake({ ...parts, settings, committer, pulse: new StorePulse(clock), onAnswers: () => {} });
  const key = layout.nodeRecord(a);
  const record = new LeaderFixture('a').store.get(key);
  assert.ok(record !== undefined);
  state.absorb(new Map([[key, record]]), 'all', clock.monotonicMs());
  const node = state.nodes.get(a);
  assert.ok(node !== undefined);
  await clock.advance(9_000);
  const nowMs = clock.monotonicMs();
  assert.ok(brake.judgedInMs(node, nowMs) > 0, 'released by time alone');
  assert.ok((brake.nextInMs(nowMs) ?? Number.POSITIVE_INFINITY) <= 1, 'nothing looks at it again');
  assert.ok(await brake.apply(nowMs, clock.wallTime().toISOString(), new AbortController().signal));
  assert.equal(brake.judgedInMs(node, nowMs), 0);
});
