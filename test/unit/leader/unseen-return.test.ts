import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { holdCodec, nodeRecordCodec, nodeSettingsCodec, nodeVerdictCodec } from '../../../src/cluster/codecs.ts';
import { nodeId } from '../plan/plan-cluster-world.ts';
import { LeaderFixture, layout, settledFixture, TTL_MS } from './leader-fixture.ts';

/** A node registers, and is gone again, before the leader has seen it: the record that it wrote says so. */

const fixtures: LeaderFixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.close();
});

async function settled(workloads: Parameters<typeof settledFixture>[0]): Promise<LeaderFixture> {
  const fixture = await settledFixture(workloads);
  fixtures.push(fixture);
  return fixture;
}

const [a, b, c] = [nodeId('a'), nodeId('b'), nodeId('c')];
const longAgo = '1969-12-31T00:00:00.000Z';

/** It comes and goes while the leader is cut off. */
async function comeAndGo(fixture: LeaderFixture, name: string): Promise<void> {
  fixture.kv.cutOff();
  await fixture.clock.advance(100);
  fixture.addNode(name);
  fixture.delete(layout.presence(nodeId(name)));
  await fixture.clock.advance(100);
  fixture.kv.reconnect();
}

test('Leader counts the absence of a node anew that came and went while the leader was cut off', async () => {
  const fixture = await settled({ db: { mode: 'stop' } });
  fixture.delete(layout.presence(a));
  await fixture.clock.advance(TTL_MS);
  fixture.kv.cutOff();
  await fixture.clock.advance(1_000);
  fixture.addNode('a');
  fixture.delete(layout.presence(a));
  await fixture.clock.advance(1_000);
  fixture.kv.reconnect();
  await fixture.clock.advance(1.1 * TTL_MS - 100);
  assert.deepEqual(fixture.orders(), ['db/0 a run']);
  await fixture.clock.advance(1_000);
  assert.deepEqual(fixture.orders(), ['db/0 a stop superseded', 'db/0 b run']);
});

test('Leader waits for the lease that an agent left also where it learns of that, and of its end, at once', async () => {
  const fixture = await settled({ db: { mode: 'stop' } });
  const record = fixture.store.get(layout.nodeRecord(a));
  const value = nodeRecordCodec.decode(record?.value ?? '', layout.nodeRecord(a));
  fixture.kv.cutOff();
  fixture.setPresence(a, 'away');
  fixture.put(layout.nodeRecord(a), nodeRecordCodec, { ...value, handoverMs: 60_000 });
  fixture.delete(layout.presence(a));
  await fixture.clock.advance(100);
  fixture.kv.reconnect();
  await fixture.clock.advance(59_000);
  assert.deepEqual(fixture.orders(), ['db/0 a run']);
  await fixture.clock.advance(2_000);
  assert.deepEqual(fixture.orders(), ['db/0 a stop superseded', 'db/0 b run']);
});

test('Leader takes a node for one that flaps which said that it shuts down, came back unseen, and was lost', async () => {
  const fixture = await settled({ web: {} });
  fixture.setPresence(b, 'leaving');
  await fixture.clock.advance(100);
  fixture.delete(layout.presence(b));
  await fixture.clock.advance(100);
  await comeAndGo(fixture, 'b');
  await fixture.clock.advance(2_000);
  assert.equal(fixture.verdictOf(b)?.flaps, 1);
});

test('Leader of a fresh term does not make an old verdict new by noting that the node is drained', async () => {
  const fixture = new LeaderFixture('b', 'c');
  fixtures.push(fixture);
  fixture.put(layout.verdict(a), nodeVerdictCodec, { lostSince: longAgo });
  fixture.addNode('a');
  fixture.delete(layout.presence(a));
  fixture.setSettings(a, { draining: true });
  const before = fixture.store.get(layout.verdict(a))?.modRevision;
  fixture.lead();
  await fixture.clock.advance(TTL_MS - 100);
  assert.equal(fixture.store.get(layout.verdict(a))?.modRevision, before, 'nobody knows yet how long it is gone');
  await fixture.clock.advance(1_500);
  assert.ok(fixture.verdictOf(a)?.drainedSince);
});

test('Brake counts nodes that were lost long ago, came back, and vanish together', async () => {
  const before = await settled({ web: { replicas: 2 } });
  const fixture = new LeaderFixture('c');
  fixtures.push(fixture);
  for (const [key, value] of Object.entries(before.store.dump()))
    if (!key.startsWith(layout.election) && !key.endsWith('/presence')) fixture.putText(key, value);
  for (const node of [a, b]) fixture.put(layout.verdict(node), nodeVerdictCodec, { lostSince: longAgo });
  for (const name of ['a', 'b']) fixture.delete(layout.presence(fixture.addNode(name)));
  fixture.lead();
  await fixture.clock.advance(TTL_MS + 1_500);
  assert.deepEqual(fixture.hold?.nodes, [a, b]);
  assert.deepEqual(fixture.orders(), ['web/0 a run', 'web/1 b run']);
});

test('Brake judges the second loss of a node that came back unseen as it did the first', async () => {
  const fixture = await settled({ web: { replicas: 3 } });
  fixture.beat(b, 1_900);
  fixture.beat(c, 1_000);
  fixture.delete(layout.presence(a));
  await fixture.clock.advance(120_000);
  fixture.obey();
  await fixture.clock.advance(1_000);
  assert.deepEqual(fixture.linesOf('nodes vanished together, held'), []);
  fixture.die(b); // its lease lives on for a while
  await fixture.clock.advance(7_000);
  await comeAndGo(fixture, 'a');
  await fixture.clock.advance(1_500);
  assert.equal(fixture.hold?.reason, '2 of 3 nodes vanished together, 1 of them by a missed renewal');
});

test('a removal is taken back from what the settings are by then', async () => {
  const fixture = await settled({ web: {} });
  fixture.kv.setFaults({ delayMs: 100 });
  const removal = { at: longAgo };
  fixture.setSettings(b, { removal });
  await fixture.clock.advance(120); // what takes it back is on its way
  fixture.setSettings(b, { removal, cordoned: true });
  fixture.kv.setFaults({ delayMs: 0 });
  await fixture.clock.advance(2_000);
  const key = layout.nodeSettings(b);
  const settings = nodeSettingsCodec.decode(fixture.store.get(key)?.value ?? '', key);
  assert.deepEqual(settings, { cordoned: true, draining: false, labels: {} });
});

/** The next commit is applied only so much later, and its answer lost. */
const LATE_MS = 4_000;

test('Leader whose replacement is applied late starts nothing that a node has begun meanwhile, and which is gone again', async () => {
  const fixture = await settled({ db: { mode: 'stop' } });
  fixture.delete(layout.presence(a));
  await fixture.clock.advance(1.1 * TTL_MS - 10);
  fixture.kv.setFaults({ loseReplies: 1, lateByMs: LATE_MS });
  await fixture.clock.advance(LATE_MS / 2);
  fixture.addNode('a');
  await fixture.clock.advance(100);
  fixture.delete(layout.presence(a));
  await fixture.clock.advance(LATE_MS);
  assert.deepEqual(fixture.orders(), ['db/0 a run']);
});

test('Leader whose replacement is applied late replaces nothing of what is held by then', async () => {
  const fixture = await settled({ web: {} });
  fixture.delete(layout.presence(a));
  fixture.kv.setFaults({ loseReplies: 1, lateByMs: LATE_MS });
  await fixture.clock.advance(1_500);
  const [since, until] = [new Date(fixture.clock.wallTime().getTime()), new Date('2100-01-01')];
  fixture.put(layout.hold('mass-loss'), holdCodec, {
    ...{ kind: 'mass-loss', since: since.toISOString(), until: until.toISOString(), reason: 'many', nodes: [a] },
  });
  await fixture.clock.advance(LATE_MS + 1_000);
  assert.deepEqual(fixture.orders(), ['web/0 a run']);
});
