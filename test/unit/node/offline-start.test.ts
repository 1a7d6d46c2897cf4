import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeLastKnown, encodeLastKnown } from '../../../src/node/last-known-codec.ts';
import { advanceUntil } from '../../support/advance-until.ts';
import { keyOf, makeWorld, phaseIs, startCutOffNode, startNode, type World, web } from './node-fixture.ts';

const plain = keyOf('plain');
const exact = keyOf('exact');
const FILE = 'last-known-orders';

const knownKeys = ({ stateFiles }: World) => [...decodeLastKnown(stateFiles.texts.get(FILE) ?? '').orders.keys()];
const startsOf = ({ machine }: World) => machine.calls.filter((call) => call.startsWith('start '));

/** A node that has run three instances, one of which may start without the store, and was powered off. */
async function makeRebooted(): Promise<World> {
  const world = makeWorld();
  const { end } = await startNode(world);
  world.assign(web, { offlineStart: true });
  world.assign(plain);
  world.assign(exact, { disconnect: 'stop', offlineStart: true });
  await advanceUntil(world.clock, 'running', () => world.machine.running.length === 3, 2_000);
  await advanceUntil(world.clock, 'kept on disk', () => world.stateFiles.texts.has(FILE), 3_000);
  await end();
  world.machine.powerOff();
  world.machine.calls.length = 0;
  return world;
}

test('the orders of keep instances that ask for it are kept on disk, and only they', async () => {
  const world = await makeRebooted();
  assert.deepEqual(knownKeys(world), [web]);
  const { machineId, cluster, epoch } = decodeLastKnown(world.stateFiles.texts.get(FILE) ?? '');
  assert.deepEqual([machineId, cluster, epoch], ['b'.repeat(32), 'demo', 1]);
});

test('changes go into one write a second, none where nothing changed, and a stop takes the order off the disk', async () => {
  const world = makeWorld();
  await startNode(world);
  await world.clock.advance(600_000);
  assert.equal(world.stateFiles.writes, 0, 'nothing to keep');
  for (let slot = 0; slot < 20; slot += 1) world.assign(keyOf('web', slot), { offlineStart: true });
  await world.clock.advance(5_000);
  assert.equal(world.stateFiles.writes, 1);
  assert.equal(knownKeys(world).length, 20);
  await world.clock.advance(600_000);
  assert.equal(world.stateFiles.writes, 1);
  world.assign(web, { offlineStart: true, order: 'stop' });
  world.assign(keyOf('web', 1), { offlineStart: true, superseded: true });
  await world.clock.advance(5_000);
  assert.equal(world.stateFiles.writes, 2);
  assert.equal(knownKeys(world).length, 18);
});

test('a disk that refuses is told of once, tried again, and holds up nothing', async () => {
  const world = makeWorld();
  world.stateFiles.refusesWrites = true;
  await startNode(world);
  world.assign(web, { offlineStart: true });
  await advanceUntil(world.clock, 'running', phaseIs(world, web, 'running'), 1_000);
  await world.clock.advance(1_200_000);
  const told = world.logged.filter(({ message }) => message === 'last known orders not written');
  assert.equal(told.length, 1);
  assert.ok(world.stateFiles.writes > 5 && world.stateFiles.writes < 20, `${world.stateFiles.writes} attempts`);
  world.stateFiles.refusesWrites = false;
  await world.clock.advance(300_000);
  assert.deepEqual(knownKeys(world), [web]);
});

test('after a reboot without the store what may start does, after its time, and nothing else', async () => {
  const world = await makeRebooted();
  await startCutOffNode(world);
  await world.clock.advance(29_000);
  assert.deepEqual(startsOf(world), [], 'the store has its time to answer');
  await world.clock.advance(2_000);
  assert.deepEqual(world.machine.running, [web]);
  await world.clock.advance(120_000);
  assert.deepEqual(startsOf(world), [`start ${web}`]);
  assert.ok(world.machine.items.has(plain), 'what is not known to be ordered is not removed');
  assert.equal(world.logged.filter(({ message }) => message.includes('offline start')).length, 1);
});

test('one that started without the store and ends is started again', async () => {
  const world = await makeRebooted();
  world.behaviours.set('web', { endsAfterMs: 5_000, exitCode: 1 });
  await startCutOffNode(world);
  await world.clock.advance(33_000);
  world.behaviours.delete('web');
  await world.clock.advance(20_000);
  assert.deepEqual(world.machine.running, [web]);
  const begun = world.logged.filter(({ message }) => message === 'action begins');
  assert.deepEqual(
    begun.slice(-2).map(({ fields }) => (fields as { reason: string }).reason),
    ['offline-start', 'ended'],
  );
});

test('when the store answers, what has started is adopted and the others follow', async () => {
  const world = await makeRebooted();
  const { join } = await startCutOffNode(world);
  await world.clock.advance(40_000);
  await join();
  assert.deepEqual([...world.machine.running].sort(), [exact, plain, web]);
  assert.equal(startsOf(world).filter((call) => call === `start ${web}`).length, 1, 'adopted');
  assert.ok(!world.machine.calls.includes(`stop ${web}`));
  assert.equal(world.statusOf(web)?.phase, 'running');
  assert.equal(world.statusOf(web)?.lastAction?.reason, 'offline-start');
});

test('a store that answers in time is waited for as before', async () => {
  const world = await makeRebooted();
  const { join } = await startCutOffNode(world);
  await world.clock.advance(20_000);
  await join();
  await world.clock.advance(60_000);
  const reasons = world.logged.map(({ fields }) => (fields as { reason?: string }).reason);
  assert.ok(!reasons.includes('offline-start'));
  assert.equal(world.machine.running.length, 3);
});

test('an order that was given up while the node was off: what started runs on as an orphan until it is ordered to stop', async () => {
  const world = await makeRebooted();
  const { join } = await startCutOffNode(world);
  await world.clock.advance(40_000);
  world.unassign(web);
  await join();
  assert.ok(world.machine.running.includes(web));
  assert.equal(world.statusOf(web)?.phase, 'orphan');
});

test('what is there of another spec is left alone: it may be newer than what the disk says', async () => {
  const world = await makeRebooted();
  const item = world.machine.items.get(web);
  assert.ok(item !== undefined);
  Object.assign(item, { order: { ...item.order, specHash: 'hash-2' } });
  await startCutOffNode(world);
  await world.clock.advance(60_000);
  assert.deepEqual(
    world.machine.calls.filter((call) => !call.startsWith('observe')),
    [],
  );
});

const notOurs: readonly [what: string, spoil: (world: World) => void][] = [
  ['another machine ID', ({ identity }) => Object.assign(identity, { machineId: 'c'.repeat(32) })],
  ['another product UUID', ({ identity }) => Object.assign(identity, { productUuid: 'another' })],
  ['a file that makes no sense', ({ stateFiles }) => stateFiles.texts.set(FILE, '{"v":1}')],
  ['a file of a later format', ({ stateFiles }) => stateFiles.texts.set(FILE, '{"v":2,"orders":[]}')],
  ['a name that leads elsewhere', ({ stateFiles }) => rename(stateFiles, '../../etc/passwd')],
];
function rename(stateFiles: World['stateFiles'], name: string): void {
  stateFiles.texts.set(FILE, (stateFiles.texts.get(FILE) ?? '').replace('"web/0"', JSON.stringify(name)));
}
for (const [what, spoil] of notOurs) {
  test(`${what}: set aside, nothing starts, and the store is followed once it answers`, async () => {
    const world = await makeRebooted();
    spoil(world);
    const { join } = await startCutOffNode(world);
    await world.clock.advance(60_000);
    assert.deepEqual(world.machine.running, []);
    assert.equal(world.stateFiles.aside.length, 1);
    await join();
    assert.equal(world.machine.running.length, 3);
    assert.deepEqual(knownKeys(world), [web], 'kept anew');
  });
}

test('nothing starts from the disk while the store is in doubt', async () => {
  const world = await makeRebooted();
  const { rights } = await startCutOffNode(world);
  rights.isStoreTrusted = false;
  await world.clock.advance(60_000);
  assert.deepEqual(world.machine.running, []);
});

test('a machine that goes down starts nothing from the disk', async () => {
  const world = await makeRebooted();
  const { agent } = await startCutOffNode(world);
  const leaving = agent.leave(30_000, new AbortController().signal);
  await world.clock.advance(60_000);
  await leaving;
  assert.deepEqual(world.machine.running, []);
});

test('what is encoded is decoded, in one order', async () => {
  const world = await makeRebooted();
  const text = world.stateFiles.texts.get(FILE) ?? '';
  assert.equal(encodeLastKnown(decodeLastKnown(text)), text);
});
