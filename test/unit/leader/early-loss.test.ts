import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { StorePulse } from '../../../src/cluster/store-pulse.ts';
import type { NodeId } from '../../../src/domain/ids.ts';
import { nodeId } from '../plan/plan-cluster-world.ts';
import { electionKey, LeaderFixture, layout, TTL_MS } from './leader-fixture.ts';

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(nodeId) as [NodeId, NodeId, NodeId, NodeId];
const fixtures: LeaderFixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.close();
});

/** A leader of nodes that renew their leases, and the pulse by which it notices elections of the store. */
class Scene {
  readonly fixture: LeaderFixture;
  readonly pulse: StorePulse;
  #raftTerm = 2;

  constructor(...names: string[]) {
    this.fixture = new LeaderFixture(...names);
    fixtures.push(this.fixture);
    this.pulse = new StorePulse(this.fixture.clock);
    this.#renewed();
  }

  static async open(...names: string[]): Promise<Scene> {
    const scene = new Scene(...names);
    const { fixture, pulse } = scene;
    fixture.setWorkload('web', { replicas: names.length });
    for (const [at, name] of names.entries()) fixture.beat(nodeId(name), ((7 * at) % 25) * 100);
    fixture.lead({}, { pulse });
    await fixture.settle();
    for (let renewal = 0; renewal < 8; renewal += 1) {
      scene.#renewed();
      await fixture.clock.advance(TTL_MS / 4);
    }
    return scene;
  }

  /** These nodes die with etcd's leader; a second and a half later there's another, and every lease has its time anew, and a second. */
  async dieWithLeader(...nodes: NodeId[]): Promise<void> {
    const { store, clock } = this.fixture;
    for (const node of nodes) this.fixture.die(node);
    store.stop();
    await clock.advance(1_500);
    store.start();
    await clock.advance(700);
    this.#raftTerm += 1;
    this.#renewed();
  }

  #renewed(): void {
    const store = { clusterId: 'x', raftTerm: this.#raftTerm, revision: 1 };
    this.pulse.answered('7', { ttlMs: TTL_MS, store });
  }
}

test('EarlyLoss has a node that died with etcd’s leader replaced a TTL and a half second after its death at the latest', async () => {
  const { fixture, ...scene } = await openScene('a', 'b', 'c');
  const diedAtMs = fixture.clock.monotonicMs();
  await scene.dieWithLeader(a);
  await fixture.clock.advanceUntil(() => fixture.orders().includes('web/0 a run superseded'), 20_000);
  const tookMs = fixture.clock.monotonicMs() - diedAtMs;
  assert.ok(tookMs <= TTL_MS + 500, `replaced ${tookMs} ms after its death`);
  assert.ok(tookMs >= 0.6 * TTL_MS + 1_000, `replaced ${tookMs} ms after its death: its agent may live yet`);
  assert.deepEqual(fixture.hold, undefined);
});

test('EarlyLoss revokes nothing of nodes that renew, however often the store elects', async () => {
  const { fixture, ...scene } = await openScene('a', 'b', 'c');
  const before = fixture.orders();
  for (let election = 0; election < 3; election += 1) {
    await scene.dieWithLeader();
    await fixture.clock.advance(4_000);
  }
  await fixture.clock.advance(60_000);
  assert.equal(fixture.kv.calls.get('revokeLease'), undefined);
  assert.deepEqual(fixture.orders(), before);
});

test('EarlyLoss asks for each lease a few times after an election and then no more', async () => {
  const { fixture, ...scene } = await openScene('a', 'b', 'c');
  assert.equal(fixture.kv.calls.get('leaseTimeToLive'), undefined);
  await scene.dieWithLeader();
  await fixture.clock.advance(60_000);
  const asked = fixture.kv.calls.get('leaseTimeToLive') ?? 0;
  assert.ok(asked >= 3 && asked <= 12, `asked ${asked} times`);
});

test('EarlyLoss leaves a mass loss to the store', async () => {
  const { fixture, ...scene } = await openScene('a', 'b', 'c', 'd');
  await scene.dieWithLeader(a, b);
  await fixture.clock.advance(8_000);
  assert.equal(fixture.kv.calls.get('revokeLease'), undefined);
  await fixture.clock.advance(10_000);
  assert.deepEqual(fixture.hold?.nodes, [a, b]);
});

test('EarlyLoss revokes the leases of two of seven nodes that died together, each counted once', async () => {
  const { fixture, ...scene } = await openScene('a', 'b', 'c', 'd', 'e', 'f', 'g');
  await scene.dieWithLeader(a, b);
  await fixture.clock.advance(8_000);
  assert.equal(fixture.kv.calls.get('revokeLease'), 2);
  for (const node of [a, b]) assert.equal(fixture.store.get(layout.presence(node)), undefined);
  assert.equal(fixture.hold, undefined);
});

test('EarlyLoss counts the predecessor, whose lease the next in the queue has revoked, for a mass loss', async () => {
  const scene = new Scene('a', 'b', 'c', 'd');
  const { fixture, pulse } = scene;
  fixture.setWorkload('web', { replicas: 4 });
  for (const [at, node] of [a, b, c, d].entries()) fixture.beat(node, 700 * at);
  await scene.dieWithLeader(a, b);
  await fixture.clock.advance(5_500);
  fixture.delete(layout.presence(a));
  fixture.lead({ predecessor: a }, { pulse });
  await fixture.clock.advance(2_000);
  assert.equal(fixture.kv.calls.get('revokeLease'), undefined);
  assert.deepEqual(fixture.hold?.nodes, [a, b]);
});

test('EarlyLoss lets a node register again that was only slow', async () => {
  const { fixture, ...scene } = await openScene('a', 'b', 'c');
  const before = fixture.orders();
  await scene.dieWithLeader(a);
  await fixture.clock.advanceUntil(() => fixture.store.get(layout.presence(a)) === undefined, 20_000);
  fixture.beat(a);
  await fixture.clock.advance(60_000);
  assert.deepEqual(fixture.orders(), before);
});

test('EarlyLoss asks again for a lease that it was not told of, and revokes it no later for that', async () => {
  const tookMs: number[] = [];
  for (const sickMs of [0, 400]) {
    const { fixture, ...scene } = await openScene('a', 'b', 'c', 'd');
    const { clock, kv } = fixture;
    const electedAtMs = clock.monotonicMs() + 2_200;
    const ask = kv.leaseTimeToLive.bind(kv);
    kv.leaseTimeToLive = async (id, signal) => {
      if (clock.monotonicMs() < electedAtMs + sickMs) throw new Error('etcdserver: leader changed');
      return ask(id, signal);
    };
    await scene.dieWithLeader(a);
    await clock.advanceUntil(() => fixture.store.get(layout.presence(a)) === undefined, 20_000);
    tookMs.push(clock.monotonicMs() - electedAtMs);
  }
  const [well = 0, sick = 0] = tookMs;
  assert.ok(Math.abs(sick - well) <= 250, `${sick} ms where the store was sick, else ${well} ms`);
});

test('EarlyLoss holds up no revocation for a lease that is never answered for', async () => {
  const { fixture, ...scene } = await openScene('a', 'b', 'c', 'd');
  const { clock, kv } = fixture;
  const ask = kv.leaseTimeToLive.bind(kv);
  const mute = fixture.store.get(layout.presence(d))?.lease;
  kv.leaseTimeToLive = async (id, signal) => {
    if (id === mute) await clock.sleep(60_000, signal);
    signal.throwIfAborted();
    return ask(id, signal);
  };
  await scene.dieWithLeader(a);
  await clock.advance(7_000);
  assert.equal(fixture.store.get(layout.presence(a)), undefined);
  assert.equal(fixture.kv.calls.get('revokeLease'), 1);
});

test('EarlyLoss tries again to revoke a lease when that has failed', async () => {
  const { fixture, ...scene } = await openScene('a', 'b', 'c', 'd');
  const { kv } = fixture;
  const revoke = kv.revokeLease.bind(kv);
  let failures = 0;
  kv.revokeLease = (id, signal) =>
    failures++ < 2 ? Promise.reject(new Error('etcdserver: request timed out')) : revoke(id, signal);
  await scene.dieWithLeader(a);
  await fixture.clock.advance(7_000);
  assert.equal(fixture.store.get(layout.presence(a)), undefined);
  assert.equal(fixture.linesOf('lease not revoked').length, 1);
});

test('EarlyLoss of a store that never says how long leases live asks for so long as they may', async () => {
  const { fixture, ...scene } = await openScene('a', 'b', 'c', 'd');
  let lastAskedAtMs = 0;
  fixture.kv.leaseTimeToLive = () => {
    lastAskedAtMs = fixture.clock.monotonicMs();
    return Promise.reject(new Error('etcdserver: request timed out'));
  };
  await scene.dieWithLeader();
  const electedAtMs = fixture.clock.monotonicMs();
  await fixture.clock.advance(10 * TTL_MS);
  const askedForMs = lastAskedAtMs - electedAtMs;
  assert.ok(askedForMs > TTL_MS && askedForMs <= 1.5 * TTL_MS + 250, `asked for ${askedForMs} ms`);
});

test('EarlyLoss of a leader whose term has ended revokes nothing', async () => {
  const { fixture, ...scene } = await openScene('a', 'b', 'c');
  await scene.dieWithLeader(a);
  fixture.putText(electionKey, '{}');
  await fixture.clock.advance(9_000);
  assert.equal(fixture.kv.calls.get('revokeLease'), undefined);
});

test('EarlyLoss also heeds an election just before the term', async () => {
  const scene = new Scene('a', 'b', 'c', 'd');
  const { fixture, pulse } = scene;
  for (const node of [a, b, c, d]) fixture.beat(node);
  await scene.dieWithLeader(a);
  fixture.lead({}, { pulse });
  await fixture.clock.advance(8_000);
  assert.equal(fixture.store.get(layout.presence(a)), undefined);
});

async function openScene(...names: string[]) {
  const scene = await Scene.open(...names);
  return { fixture: scene.fixture, dieWithLeader: (...nodes: NodeId[]) => scene.dieWithLeader(...nodes) };
}
