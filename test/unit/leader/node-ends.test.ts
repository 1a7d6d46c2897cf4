import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { nodeSettingsCodec, nodeVerdictCodec, statusCodec } from '../../../src/cluster/codecs.ts';
import type { InstanceKey } from '../../../src/domain/ids.ts';
import { nodeId, TTL_MS } from '../plan/plan-cluster-world.ts';
import { LeaderFixture, layout } from './leader-fixture.ts';

const fixtures: LeaderFixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.close();
});

const [a, b] = [nodeId('a'), nodeId('b')];
const since = '1970-01-01T00:00:00.000Z';
const removal = { at: since };
/** What a node says of something that nobody has ordered. */
const stray = {
  assignmentRevision: 0,
  spec: 1,
  phase: 'orphan',
  healthy: false,
  health: 'none',
  since,
  restarts: 0,
} as const;

async function open(): Promise<LeaderFixture> {
  const fixture = new LeaderFixture('a', 'b', 'c');
  fixtures.push(fixture);
  fixture.lead();
  await fixture.settle();
  return fixture;
}

/** Everything that the store names a node in. */
function keysOf({ store }: LeaderFixture, node: string): string[] {
  return store.list(layout.root).flatMap(({ key }) => (key.includes(node) ? [key.slice(layout.root.length)] : []));
}

test('a node that drains is noted as drained when nothing was seen on it any more, and no longer when that ends', async () => {
  const fixture = await open();
  fixture.setWorkload('web', { replicas: 3 });
  fixture.setWorkload('log', { global: true });
  await fixture.settle();
  fixture.setSettings(a, { cordoned: true, draining: true, drain: { since } });
  await fixture.clock.advance(20);
  assert.equal(fixture.verdictOf(a), undefined);
  await fixture.settle();
  assert.ok(fixture.verdictOf(a)?.drainedSince);
  assert.deepEqual(
    fixture.orders().filter((order) => order.includes(' a ')),
    [],
    'the global instance too, last',
  );
  fixture.put(layout.status(a, 'stray/0' as InstanceKey), statusCodec, stray);
  await fixture.clock.advance(20);
  assert.equal(fixture.verdictOf(a), undefined, 'something runs there after all');
  fixture.delete(layout.status(a, 'stray/0' as InstanceKey));
  await fixture.settle();
  assert.ok(fixture.verdictOf(a)?.drainedSince);
  fixture.setSettings(a, {});
  await fixture.settle();
  assert.equal(fixture.verdictOf(a), undefined);
});

test('a global instance leaves as soon as the last that ran there without an order is gone', async () => {
  const fixture = await open();
  fixture.setWorkload('log', { global: true });
  const status = { assignmentRevision: 0, spec: 1, phase: 'orphan', healthy: false, health: 'none' } as const;
  fixture.put(layout.status(a, 'stray/0' as InstanceKey), statusCodec, { ...status, since, restarts: 0 });
  await fixture.settle();
  fixture.setSettings(a, { cordoned: true, draining: true, drain: { since } });
  await fixture.settle();
  assert.ok(fixture.orders().includes(`log/${a} a run`));
  fixture.delete(layout.status(a, 'stray/0' as InstanceKey));
  await fixture.settle();
  assert.ok(fixture.verdictOf(a)?.drainedSince);
});

test('that a node is drained outlives its loss and its return, as do its losses the drain', async () => {
  const fixture = await open();
  fixture.setSettings(a, { cordoned: true, draining: true, drain: { since } });
  await fixture.settle();
  const { drainedSince } = fixture.verdictOf(a) ?? {};
  fixture.delete(layout.presence(a));
  await fixture.clock.advance(3_000);
  assert.deepEqual(Object.keys(fixture.verdictOf(a) ?? {}).sort(), ['drainedSince', 'flaps', 'lostSince']);
  fixture.setPresence(a, 'up');
  await fixture.clock.advance(100);
  assert.equal(fixture.verdictOf(a)?.drainedSince, drainedSince);
  fixture.setSettings(a, {});
  await fixture.settle();
  assert.deepEqual(Object.keys(fixture.verdictOf(a) ?? {}).sort(), ['calmUntil', 'flaps']);
});

test('a node that comes and goes has its global instance again as soon as it takes work, and other work only when it was calm', async () => {
  const fixture = await open();
  fixture.setWorkload('log', { global: true });
  await fixture.settle();
  for (let loss = 0; loss < 3; loss += 1) {
    fixture.delete(layout.presence(a));
    await fixture.clock.advance(3_000);
    fixture.setPresence(a, 'up');
    await fixture.clock.advance(100);
  }
  fixture.setSettings(a, { cordoned: true, draining: true, drain: { since } });
  await fixture.settle();
  assert.ok(!fixture.orders().includes(`log/${a} a run`));
  fixture.setSettings(a, {});
  await fixture.settle();
  assert.ok(fixture.orders().includes(`log/${a} a run`));
  fixture.setWorkload('web', { replicas: 6 });
  await fixture.settle();
  assert.ok(!fixture.orders().some((order) => order.startsWith('web/') && order.endsWith(' a run')));
});

test('at a forced deadline what is left is stopped, though nobody changes anything then', async () => {
  const fixture = await open();
  fixture.setWorkload('data', { sticky: true });
  await fixture.settle();
  const nowMs = fixture.clock.wallTime().getTime();
  const deadline = new Date(nowMs + 60_000).toISOString();
  fixture.setSettings(a, { cordoned: true, draining: true, drain: { since, deadline, force: true } });
  await fixture.clock.advance(59_000);
  await fixture.settle();
  assert.deepEqual(fixture.orders(), ['data/0 a run']);
  await fixture.clock.advance(1_100);
  await fixture.settle();
  assert.deepEqual(fixture.orders(), []);
  assert.ok(fixture.verdictOf(a)?.drainedSince);
});

test('a removed node is forgotten once what it ran has moved on, with all that names it', async () => {
  const fixture = await open();
  fixture.setWorkload('web');
  fixture.setWorkload('data', { sticky: true, placement: { machineIds: [] } });
  fixture.setWorkload('log', { global: true });
  fixture.setWorkload('strict', { mode: 'stop', moveOrder: 'stop-first' });
  await fixture.settle();
  fixture.put(layout.start(a), { encode: () => '{}' } as never, undefined);
  fixture.delete(layout.presence(a));
  await fixture.clock.advance(2 * TTL_MS);
  await fixture.settle();
  assert.ok(keysOf(fixture, a).length > 0);
  fixture.setSettings(a, { removal });
  await fixture.settle();
  assert.deepEqual(keysOf(fixture, a), []);
  const placed = fixture.orders();
  assert.equal(placed.length, 3 + 2, placed.join('; '));
  assert.ok(placed.every((order) => order.endsWith(' run')));
  const records = fixture.store
    .list(layout.instances)
    .map(({ value }) => JSON.parse(value) as { copies: { node: string }[] });
  assert.ok(records.every(({ copies }) => copies.every(({ node }) => node !== a)));
});

// With 49 the node's own keys were once parted by the limit of a transaction.
for (const strays of [49, 150]) {
  test(`${strays} reports and an order that nothing accounts for do not hold a removal up`, async () => {
    const fixture = await open();
    fixture.put(layout.assignment(a, 'gone/0' as InstanceKey), { encode: () => '{}' } as never, undefined);
    for (let slot = 0; slot < strays; slot += 1)
      fixture.put(layout.status(a, `gone/${slot}` as InstanceKey), statusCodec, stray);
    fixture.delete(layout.presence(a));
    await fixture.clock.advance(2 * TTL_MS);
    fixture.setSettings(a, { removal });
    await fixture.settle();
    assert.deepEqual(keysOf(fixture, a), []);
  });
}

test('a node that comes back before it is forgotten stays, and a later absence does not remove it', async () => {
  const fixture = await open();
  fixture.setWorkload('strict', { mode: 'stop', moveOrder: 'stop-first' });
  await fixture.settle();
  fixture.delete(layout.presence(a));
  fixture.setSettings(a, { removal, labels: { zone: 'b' } });
  await fixture.clock.advance(100);
  assert.ok(keysOf(fixture, a).length > 0, 'its stop instance may still run there');
  fixture.setPresence(a, 'up');
  await fixture.settle();
  const key = layout.nodeSettings(a);
  const settings = nodeSettingsCodec.decode(fixture.store.get(key)?.value ?? '', key);
  assert.deepEqual(settings, { cordoned: false, draining: false, labels: { zone: 'b' } });
  fixture.delete(layout.presence(a));
  await fixture.clock.advance(3_000);
  await fixture.settle();
  assert.ok(fixture.store.get(layout.nodeRecord(a)));
});

test('nor does one that is gone again before the leader has seen it', async () => {
  const fixture = await open();
  fixture.setWorkload('strict', { mode: 'stop', moveOrder: 'stop-first' });
  await fixture.settle();
  fixture.delete(layout.presence(a));
  fixture.setSettings(a, { removal });
  fixture.kv.cutOff();
  await fixture.clock.advance(2 * TTL_MS);
  fixture.addNode('a');
  fixture.delete(layout.presence(a));
  fixture.kv.reconnect();
  await fixture.settle();
  const key = layout.nodeSettings(a);
  assert.equal(nodeSettingsCodec.decode(fixture.store.get(key)?.value ?? '', key).removal, undefined);
  assert.ok(fixture.store.get(layout.nodeRecord(a)));
  assert.deepEqual(fixture.orders(), ['strict/0 a run']);
});

test('a dead machine’s removal waits for no clock, nor for a hold', async () => {
  const fixture = await open();
  fixture.setWorkload('strict', { mode: 'stop', moveOrder: 'stop-first', replicas: 3 });
  await fixture.settle();
  for (const id of [a, b]) fixture.delete(layout.presence(id));
  await fixture.clock.advance(1_500);
  assert.ok(fixture.hold);
  for (const id of [a, b]) fixture.setSettings(id, { removal: { at: since, force: true } });
  await fixture.settle();
  assert.deepEqual(fixture.orders(), ['strict/0 c run', 'strict/1 c run', 'strict/2 c run']);
  assert.deepEqual(
    [fixture.store.get(layout.nodeRecord(a)), fixture.store.get(layout.nodeRecord(b))],
    [undefined, undefined],
  );
});

test('a verdict that says only that a node is drained can be read, and says nothing of losses', () => {
  const text = nodeVerdictCodec.encode({ drainedSince: since });
  assert.deepEqual(nodeVerdictCodec.decode(text, 'k'), { drainedSince: since });
});
