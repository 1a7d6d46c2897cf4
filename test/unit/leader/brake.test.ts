import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { holdCodec } from '../../../src/cluster/codecs.ts';
import { StorePulse } from '../../../src/cluster/store-pulse.ts';
import type { NodeId } from '../../../src/domain/ids.ts';
import { nodeId } from '../plan/plan-cluster-world.ts';
import { electionKey, LeaderFixture, layout, TTL_MS } from './leader-fixture.ts';

const HOLD_MS = 2 * TTL_MS + 30_000;
const fixtures: LeaderFixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.close();
});

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(nodeId) as [NodeId, NodeId, NodeId, NodeId];

/** One instance on each of these nodes, all well. */
async function spread(...names: string[]): Promise<LeaderFixture> {
  const fixture = new LeaderFixture(...names);
  fixtures.push(fixture);
  fixture.setWorkload('web', { replicas: names.length });
  fixture.lead();
  await fixture.settle();
  return fixture;
}

function lose(fixture: LeaderFixture, ...nodes: NodeId[]): void {
  for (const node of nodes) fixture.delete(layout.presence(node));
}

function regain(fixture: LeaderFixture, ...nodes: NodeId[]): void {
  for (const node of nodes) fixture.setPresence(node, 'up');
}

/** Why holds have ended. */
function endings(fixture: LeaderFixture): unknown[] {
  return fixture.linesOf('hold ended, what is left is healed').map((fields) => fields['reason']);
}

const onThree = ['web/0 a run', 'web/1 b run', 'web/2 c run'];
const onFour = [...onThree, 'web/3 d run'];

test('Brake holds what more than a third of the nodes ran until the hold is over, then lets it be healed', async () => {
  const fixture = await spread('a', 'b', 'c');
  lose(fixture, a, b);
  await fixture.clock.advance(1_100);
  assert.deepEqual(fixture.hold?.nodes, [a, b]);
  assert.equal(fixture.hold?.reason, '2 of 3 nodes vanished together');
  await fixture.clock.advance(HOLD_MS - 200);
  assert.deepEqual(fixture.orders(), onThree);
  await fixture.clock.advance(200);
  assert.deepEqual(fixture.orders(), [
    'web/0 a run superseded',
    'web/0 c run',
    'web/1 b run superseded',
    'web/1 c run',
    'web/2 c run',
  ]);
  assert.deepEqual(endings(fixture), ['its time is over']);
  await fixture.clock.advance(2 * HOLD_MS);
  assert.equal(fixture.linesOf('nodes vanished together, held').length, 1, 'the same nodes begin no second hold');
});

test('Brake writes the hold before anything of its nodes is replaced', async () => {
  const fixture = await spread('a', 'b', 'c');
  lose(fixture, a, b);
  const began = fixture.store.revision;
  await fixture.clock.advance(HOLD_MS + 2_000);
  const written = fixture.store.eventsFrom({ prefix: layout.root }, began + 1).events.map(({ kv }) => kv.key);
  const [hold, order] = [
    written.indexOf(layout.hold('mass-loss')),
    written.findIndex((key) => key.includes('/assignments/')),
  ];
  assert.ok(hold >= 0 && hold < order, `hold at ${hold}, first order at ${order}`);
});

test('Brake moves nothing when half of the nodes are back one after the other, though the leader changed meanwhile', async () => {
  const before = await spread('a', 'b', 'c', 'd');
  lose(before, a, b);
  await before.clock.advance(5_000);
  await before.close();
  const fixture = new LeaderFixture('c', 'd');
  fixtures.push(fixture);
  const kept = Object.entries(before.store.dump()).filter(([key]) => !key.endsWith('/presence') && key !== electionKey);
  for (const [key, value] of kept) fixture.putText(key, value);
  fixture.lead();
  await fixture.clock.advance(15_000);
  regain(fixture, a);
  await fixture.clock.advance(5_000);
  assert.equal(fixture.hold?.ended, undefined, 'others may still come back');
  regain(fixture, b);
  await fixture.clock.advance(100_000);
  assert.deepEqual(fixture.orders(), onFour);
  assert.equal(fixture.hold, undefined);
});

test('Brake lets what is left be healed some time after enough nodes are back', async () => {
  const fixture = await spread('a', 'b', 'c', 'd');
  lose(fixture, a, b);
  await fixture.clock.advance(5_000);
  regain(fixture, a);
  await fixture.clock.advance(HOLD_MS / 4 - 100);
  assert.deepEqual(fixture.orders(), onFour);
  await fixture.clock.advance(200);
  assert.ok(fixture.orders().includes('web/1 b run superseded'), fixture.orders().join());
  assert.equal(fixture.hold?.ended?.reason, 'enough of its nodes are back');
});

for (const [name, wall] of [
  ['an hour ahead', '2026-01-01T01:00:00.000Z'],
  ['an hour behind', '2025-12-31T23:00:00.000Z'],
] as const) {
  test(`Brake of a leader whose clock is ${name} holds no longer than was meant`, async () => {
    const fixture = new LeaderFixture('c');
    fixtures.push(fixture);
    for (const id of [a, b]) {
      fixture.addNode(id === a ? 'a' : 'b');
      fixture.delete(layout.presence(id));
    }
    fixture.clock.stepWall(Date.parse(wall) - Date.parse('2026-01-01T00:00:00.000Z'));
    const times = { since: '2026-01-01T00:00:00.000Z', until: '2026-01-01T00:00:50.000Z' };
    fixture.put(layout.hold('mass-loss'), holdCodec, { kind: 'mass-loss', ...times, reason: 'r', nodes: [a, b] });
    fixture.lead();
    await fixture.clock.advance(HOLD_MS + 100);
    assert.deepEqual(endings(fixture), ['its time is over']);
  });
}

test('Brake lets go at once when an operator releases the hold, and begins no other for the same nodes', async () => {
  const fixture = await spread('a', 'b', 'c');
  lose(fixture, a, b);
  await fixture.clock.advance(5_000);
  const hold = fixture.hold;
  assert.ok(hold);
  const ended = { at: '2026-01-01T00:00:06.000Z', reason: 'released by an operator' };
  fixture.put(layout.hold('mass-loss'), holdCodec, { ...hold, ended });
  await fixture.clock.advance(200);
  assert.ok(fixture.orders().includes('web/0 c run') && fixture.orders().includes('web/1 c run'));
  await fixture.clock.advance(HOLD_MS);
  assert.equal(fixture.linesOf('nodes vanished together, held').length, 1);
});

test('Brake takes in nodes that are lost while it holds', async () => {
  const fixture = await spread('a', 'b', 'c', 'd');
  lose(fixture, a, b);
  await fixture.clock.advance(20_000);
  lose(fixture, c);
  await fixture.clock.advance(1_500);
  assert.deepEqual(fixture.hold?.nodes, [a, b, c]);
  await fixture.clock.advance(HOLD_MS - 25_000);
  assert.deepEqual(fixture.orders(), onFour);
});

test('Brake holds up neither new work nor what an operator wants of nodes that are there', async () => {
  const fixture = await spread('a', 'b', 'c', 'd');
  lose(fixture, a, b);
  await fixture.clock.advance(2_000);
  fixture.setWorkload('db', { replicas: 2 });
  fixture.setSettings(d, { draining: true });
  await fixture.settle();
  const orders = fixture.orders();
  assert.ok(orders.includes('db/0 c run') && orders.includes('db/1 c run'), orders.join());
  assert.ok(orders.includes('web/3 c run'), orders.join());
  assert.ok(orders.includes('web/0 a run'), 'what is held stays');
});

test('Brake does not count nodes that were lost long ago and have been replaced', async () => {
  const fixture = await spread('a', 'b', 'c', 'd', 'e');
  for (const node of [a, b]) {
    lose(fixture, node);
    await fixture.clock.advance(HOLD_MS + 5_000);
  }
  assert.equal(fixture.hold, undefined);
  lose(fixture, c);
  await fixture.clock.advance(1_100);
  assert.equal(fixture.hold, undefined);
  assert.ok(fixture.orders().includes('web/2 c run superseded'));
});

test('Brake counts a node that has missed a renewal as lost with the one whose lease has run out', async () => {
  const fixture = await spread('a', 'b', 'c');
  fixture.beat(a);
  fixture.beat(b, 1_900);
  fixture.beat(c, 1_000);
  await fixture.clock.advance(20_000);
  fixture.die(a);
  await fixture.clock.advance(2_000); // b renews once more
  fixture.die(b);
  await fixture.clock.advance(TTL_MS - 2_000 + 1_200);
  assert.deepEqual(fixture.hold?.nodes, [a, b]);
  assert.equal(fixture.hold?.reason, '2 of 3 nodes vanished together, 1 of them by a missed renewal');
  await fixture.clock.advance(20_000);
  assert.deepEqual(fixture.orders(), onThree);
});

test('Brake waits at most 200 ms for answers about the others’ leases', async () => {
  const fixture = await spread('a', 'b', 'c');
  for (const node of [a, b, c]) fixture.beat(node);
  await fixture.clock.advance(100);
  fixture.kv.leaseTimeToLive = () => new Promise(() => {});
  fixture.die(a);
  lose(fixture, a);
  await fixture.clock.advance(1_190);
  assert.deepEqual(fixture.orders(), onThree);
  await fixture.clock.advance(20);
  assert.ok(fixture.orders().includes('web/0 a run superseded'), fixture.orders().join());
});

test('Brake asks each other node’s lease once when a node is lost, and delays its replacement by nothing', async () => {
  const fixture = await spread('a', 'b', 'c');
  for (const node of [a, b, c]) fixture.beat(node);
  await fixture.clock.advance(10_000);
  fixture.die(a);
  lose(fixture, a);
  await fixture.clock.advance(1_010);
  assert.ok(fixture.orders().includes('web/0 a run superseded'), fixture.orders().join());
  assert.equal(fixture.kv.calls.get('leaseTimeToLive'), 2);
});

test('Brake holds what nodes ran that shut down together', async () => {
  const fixture = await spread('a', 'b', 'c');
  for (const node of [a, b]) fixture.setPresence(node, 'leaving');
  await fixture.clock.advance(2_000);
  lose(fixture, a, b);
  await fixture.clock.advance(20_000);
  assert.deepEqual(fixture.hold?.nodes, [a, b]);
  assert.deepEqual(fixture.orders(), onThree);
});

test('Brake replaces at once what a single node ran that shuts down', async () => {
  const fixture = await spread('a', 'b', 'c');
  fixture.setPresence(a, 'leaving');
  await fixture.clock.advance(100);
  assert.ok(fixture.orders().includes('web/0 a run superseded'), fixture.orders().join());
});

test('Brake of a fresh leader counts nodes that it never saw, as they may have gone together', async () => {
  const fixture = new LeaderFixture('a', 'b', 'c');
  fixtures.push(fixture);
  lose(fixture, a, b);
  fixture.lead({ predecessor: a });
  await fixture.clock.advance(1_500);
  assert.deepEqual(fixture.hold?.nodes, [a, b]);
});

test('Brake holds a single node that did not come back with the store, and no other', async () => {
  const fixture = new LeaderFixture('a', 'b', 'c');
  fixtures.push(fixture);
  fixture.setWorkload('web', { replicas: 3 });
  const pulse = new StorePulse(fixture.clock);
  const renewed = () => {
    const store = { clusterId: 'x', raftTerm: 2, revision: 1 };
    pulse.answered('7', { ttlMs: TTL_MS, store });
  };
  renewed();
  fixture.lead({}, { pulse });
  await fixture.settle();
  await fixture.clock.advance(60_000);
  renewed();
  lose(fixture, a);
  await fixture.clock.advance(5_000);
  assert.equal(fixture.hold?.reason, 'etcd was away for 60 s and 1 of 3 nodes is not back');
  assert.deepEqual(fixture.orders(), onThree);
  regain(fixture, a);
  await fixture.clock.advance(2 * TTL_MS);
  assert.equal(fixture.hold, undefined);
  lose(fixture, b);
  await fixture.clock.advance(1_100);
  assert.ok(fixture.orders().includes('web/1 b run superseded'), fixture.orders().join());
});

test('Brake heeds what operators have set', async () => {
  const fixture = new LeaderFixture('a', 'b', 'c');
  fixtures.push(fixture);
  fixture.setWorkload('web', { replicas: 3 });
  fixture.lead({}, { settings: { massLoss: { nodes: 3 } } });
  await fixture.settle();
  lose(fixture, a, b);
  await fixture.clock.advance(1_100);
  assert.equal(fixture.hold, undefined);
  assert.ok(fixture.orders().includes('web/0 c run') && fixture.orders().includes('web/1 c run'));
});
