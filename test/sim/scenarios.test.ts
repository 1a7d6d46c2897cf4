import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterSettingsCodec, presenceCodec } from '../../src/cluster/codecs.ts';
import type { WorkloadName } from '../../src/domain/ids.ts';
import type { StoreSnapshot } from '../support/memory-store.ts';
import { SimCluster } from './cluster.ts';
import { SimWorld, type WorldOptions } from './sim-world.ts';

const TTL_MS = 10_000;

/** A cluster that has been booted and has joined. */
async function bootCluster(options: WorldOptions = {}) {
  const world = await SimWorld.open({ observeDelayMs: 10, ...options });
  for (const machine of world.machines) machine.setNetwork({ delayMs: 4 });
  const cluster = new SimCluster(world, world.machines[0]!.config);
  for (const machine of world.machines) machine.boot();
  await cluster.converge(10_000);
  return { world, cluster };
}

/** All but those of leases, and the little that is remembered of each node: that it was lost of late, that it started something. */
function lastingKeys(world: SimWorld): string[] {
  const isPassing = (key: string) => /\/(election|starts)\//.test(key) || key.endsWith('/verdict');
  return Object.keys(world.store.dump()).filter((key) => !isPassing(key));
}

/** Some of each kind: what moves, what must not run twice, what is everywhere, and what waits for its node. */
async function applySome(cluster: SimCluster): Promise<void> {
  await cluster.apply('web', { replicas: 3 });
  await cluster.apply('hello.service');
  await cluster.apply('worker@.service', { replicas: 3, conflicts: ['worker@*.service'] });
  await cluster.apply('ctl', { replicas: 2, mode: 'stop' });
  await cluster.apply('lone.service', { mode: 'stop' });
  await cluster.apply('everywhere', { replicas: 0 });
  await cluster.apply('store', { volume: 'data' });
  await cluster.converge(20_000);
}

/** The runs of those that {@link applySome} has applied in the mode `keep`. */
function keptOf(runs: SimCluster['runs']): [string, string][] {
  return Object.entries(runs).filter(([name]) => !name.startsWith('ctl') && !name.startsWith('lone'));
}

test('three machines muster: all join, one leads, and then it is quiet', async () => {
  const world = await SimWorld.open();
  const cluster = new SimCluster(world, world.machines[0]!.config);
  for (const machine of world.machines) machine.boot();
  const tookMs = await cluster.converge(5_000);
  assert.ok(tookMs < 1_000, `took ${tookMs} ms`);
  await cluster.assertQuiet(600_000);
});

test('what is applied runs, spread over the nodes, and then it is quiet', async () => {
  const { cluster } = await bootCluster();
  await applySome(cluster);
  const places = ['web/0', 'web/1', 'web/2'].map((key) => cluster.whereIs(key)[0]?.name);
  assert.equal(new Set(places).size, 3);
  await cluster.assertQuiet();
});

test('a node dies: its "keep" instances run elsewhere within the TTL and 1.5 s', async () => {
  const { world, cluster } = await bootCluster();
  await applySome(cluster);
  const victim = cluster.machines.find((machine) => !machine.isLeader)!;
  const lost = ['web/0', 'web/1', 'web/2', 'hello.service/0'].filter((key) => cluster.whereIs(key)[0] === victim);
  assert.ok(lost.length > 0);
  victim.powerOff();
  const tookMs = await world.until(
    'all elsewhere',
    () => lost.every((key) => cluster.whereIs(key).length === 1),
    30_000,
    10,
  );
  assert.ok(tookMs <= TTL_MS + 1_500, `took ${tookMs} ms`);
});

test('a node dies: its "stop" instances run elsewhere 1.1 to 1.2 TTL after it was missed', async () => {
  const { world, cluster } = await bootCluster();
  await cluster.apply('ctl', { replicas: 3, mode: 'stop' });
  await cluster.converge();
  const victim = cluster.machines.find((machine) => !machine.isLeader)!;
  const [lost] = victim.running;
  assert.ok(lost !== undefined);
  victim.powerOff();
  await world.until('missed', () => !cluster.isPresent(victim), TTL_MS, 10);
  const tookMs = await world.until('elsewhere', () => cluster.whereIs(lost).length === 1, 30_000, 10);
  assert.ok(tookMs >= 1.1 * TTL_MS && tookMs <= 1.2 * TTL_MS, `took ${tookMs} ms`);
});

test('the leader dies: another leads and replaces what ran there, within the same bound', async () => {
  const { world, cluster } = await bootCluster();
  await applySome(cluster);
  const leader = cluster.leader!;
  const lost = ['web/0', 'web/1', 'web/2'].filter((key) => cluster.whereIs(key)[0] === leader);
  leader.powerOff();
  const ledMs = await world.until('another leader', () => cluster.leader !== undefined, 30_000, 10);
  assert.ok(ledMs <= TTL_MS + 500, `took ${ledMs} ms to be followed`);
  const restMs = await world.until(
    'elsewhere',
    () => lost.every((key) => cluster.whereIs(key).length === 1),
    30_000,
    10,
  );
  assert.ok(ledMs + restMs <= TTL_MS + 1_500, `took ${ledMs + restMs} ms`);
});

test('a leader that is stopped is followed at once', async () => {
  const { world, cluster } = await bootCluster();
  const leader = cluster.leader!;
  const stopping = leader.stopAgent();
  const tookMs = await world.until(
    'another leader',
    () => cluster.leader !== undefined && cluster.leader !== leader,
    5_000,
    10,
  );
  assert.ok(tookMs <= 300, `took ${tookMs} ms`);
  await world.advance(5_000);
  await stopping;
});

test('a cut off node ends its "stop" instances, keeps the others, and gives up its replaced copies when it is back', async () => {
  const { world, cluster } = await bootCluster();
  await applySome(cluster);
  const victim = cluster.machines.find(
    (machine) => !machine.isLeader && machine.running.some((key) => key.startsWith('ctl')),
  )!;
  const before = victim.running;
  victim.setNetwork({ unreachable: 'hang' });
  await world.advance(40_000);
  assert.deepEqual(
    victim.running,
    before.filter((key) => !key.startsWith('ctl') && key !== 'lone.service/0'),
  );
  assert.equal(cluster.whereIs('web/0').length + cluster.whereIs('web/1').length + cluster.whereIs('web/2').length, 4);
  victim.setNetwork({ unreachable: 'no' });
  await cluster.converge();
  await cluster.assertQuiet();
});

test('all machines lose their power at once and come back to the same work', async () => {
  const { world, cluster } = await bootCluster();
  await applySome(cluster);
  const places = () => Object.keys(cluster.runs);
  const before = places();
  for (const machine of cluster.machines) machine.powerOff();
  await world.advance(3_000);
  assert.deepEqual(places(), []);
  for (const machine of cluster.machines) machine.boot();
  await cluster.converge();
  assert.deepEqual(places(), before);
  await cluster.assertQuiet();
});

test('an agent that is killed or stopped and comes back in time has disturbed nothing', async () => {
  const { world, cluster } = await bootCluster();
  await applySome(cluster);
  const before = cluster.runs;
  for (const machine of cluster.machines) {
    machine.killAgent();
    await world.advance(1_000);
    machine.startAgent();
    await world.advance(1_000);
  }
  await cluster.converge(15_000);
  assert.deepEqual(cluster.runs, before);
  const stopping = cluster.machines.map((machine) => machine.stopAgent());
  await world.advance(55_000);
  await Promise.all(stopping);
  for (const machine of cluster.machines) machine.startAgent();
  await cluster.converge(15_000);
  assert.deepEqual(cluster.runs, before);
  await cluster.assertQuiet();
});

test('a machine that goes down in order: its instances move without waiting for the TTL, "stop" ones on their receipts', async () => {
  const { world, cluster } = await bootCluster();
  await applySome(cluster);
  const victim = cluster.machines.find(
    (machine) => !machine.isLeader && machine.running.some((key) => key.startsWith('ctl')),
  )!;
  const keys = victim.running.filter((key) => /^(web|ctl|hello)/.test(key));
  const down = victim.shutDown();
  const tookMs = await world.until('all elsewhere', () =>
    keys.every((key) => cluster.whereIs(key).some((at) => at !== victim)),
  );
  assert.ok(tookMs <= 3_000, `took ${tookMs} ms`);
  await world.until('it is off', () => !victim.isOn, 40_000);
  await down;
  victim.boot();
  await cluster.converge();
  await cluster.assertQuiet();
});

test('the store is away for 60 s: what is "keep" runs on untouched, and nothing moves when it is back', async () => {
  const { world, cluster } = await bootCluster();
  await applySome(cluster);
  const before = cluster.runs;
  const kept = keptOf(before);
  world.store.stop();
  await world.advance(60_000);
  assert.deepEqual(Object.entries(cluster.runs), kept);
  world.store.start();
  await cluster.converge();
  assert.deepEqual(Object.keys(cluster.runs), Object.keys(before));
  assert.deepEqual(keptOf(cluster.runs), kept);
  await cluster.assertQuiet();
});

test('each call to the store takes 30 s for two minutes: "stop" ends in time, "keep" runs on, and nothing moves after it', async () => {
  const { world, cluster } = await bootCluster();
  await applySome(cluster);
  const before = cluster.runs;
  const kept = keptOf(before);
  for (const machine of cluster.machines) machine.setNetwork({ delayMs: 30_000 });
  await world.advance(TTL_MS);
  assert.deepEqual(Object.entries(cluster.runs), kept);
  await world.advance(110_000);
  assert.deepEqual(Object.entries(cluster.runs), kept);
  for (const machine of cluster.machines) machine.setNetwork({ delayMs: 4 });
  await cluster.converge();
  assert.deepEqual(Object.keys(cluster.runs), Object.keys(before));
  assert.deepEqual(keptOf(cluster.runs), kept);
  await cluster.assertQuiet();
});

test('a lease that the store loses costs a living node nothing', async () => {
  const { world, cluster } = await bootCluster();
  await applySome(cluster);
  const before = cluster.runs;
  for (const machine of cluster.machines) {
    world.store.revokeLease(world.store.get(cluster.layout.presence(machine.node))!.lease);
    await world.advance(2_000);
  }
  await cluster.converge();
  assert.deepEqual(cluster.runs, before);
  await cluster.assertQuiet();
});

test("every order is deleted by hand: what runs is no order's, runs on, and is adopted where it is", async () => {
  const { world, cluster } = await bootCluster();
  await applySome(cluster);
  const before = cluster.runs;
  for (const { key } of world.store.list(cluster.layout.assignments)) {
    world.store.commit({ compares: [], writes: [{ delete: key }] });
  }
  await cluster.converge();
  assert.deepEqual(cluster.runs, before);
  await cluster.assertQuiet();
});

test('two clusters on one store never see each other, nor what a machine has of its own', async () => {
  const { world, cluster } = await bootCluster({ clusters: { blue: 3, 'blue-2': 2 } });
  const other = new SimCluster(world, world.machines[4]!.config);
  await Promise.all([other.converge(), world.advance(0)]);
  await applySome(cluster);
  await other.apply('web', { replicas: 2, version: 7 });
  await other.converge();
  const before = other.runs;
  await cluster.remove('web');
  for (const machine of cluster.machines) machine.powerOff();
  await world.advance(60_000);
  assert.deepEqual(other.runs, before);
  for (const machine of cluster.machines) machine.boot();
  await cluster.converge();
  await other.assertQuiet();
});

test('a workload that is removed leaves no key in the store and nothing on a machine', async () => {
  const { world, cluster } = await bootCluster();
  const before = lastingKeys(world);
  await applySome(cluster);
  for (const name of ['web', 'hello.service', 'worker@.service', 'ctl', 'lone.service', 'everywhere', 'store']) {
    await cluster.remove(name);
  }
  await cluster.converge();
  assert.deepEqual(lastingKeys(world), before);
  assert.deepEqual(
    cluster.machines.flatMap((machine) => machine.items),
    [],
  );
  await cluster.assertQuiet();
});

test('a workload is removed while a node is away: its copy there ends when the node is back', async () => {
  const { world, cluster } = await bootCluster();
  const before = lastingKeys(world);
  await applySome(cluster);
  const victim = cluster.machines.find((machine) => !machine.isLeader)!;
  victim.setNetwork({ unreachable: 'refuse' });
  await world.advance(15_000);
  for (const name of ['web', 'hello.service', 'worker@.service', 'ctl', 'lone.service', 'everywhere', 'store']) {
    await cluster.remove(name);
  }
  await world.advance(30_000);
  assert.ok(victim.running.length > 0);
  victim.setNetwork({ unreachable: 'no' });
  await cluster.converge();
  assert.deepEqual(lastingKeys(world), before);
  assert.deepEqual(
    cluster.machines.flatMap((machine) => machine.items),
    [],
  );
  await cluster.assertQuiet();
});

test('a cut off node with many "stop" instances that end slowly has ended them all before they start elsewhere', async () => {
  const { world, cluster } = await bootCluster();
  world.behaviour = () => ({ stopMs: 4_000 });
  await cluster.apply('ctl', { replicas: 60, mode: 'stop' });
  await cluster.converge();
  const victim = cluster.machines.find((machine) => !machine.isLeader)!;
  assert.ok(victim.running.length >= 20);
  victim.setNetwork({ unreachable: 'hang' });
  await world.until('its fence', () => victim.running.length === 0, TTL_MS);
  await cluster.converge(30_000).catch(() => {});
  for (let slot = 0; slot < 60; slot += 1) assert.equal(cluster.whereIs(`ctl/${slot}`).length, 1, `ctl.${slot}`);
});

for (const count of [4, 5]) {
  test(`two of ${count} nodes are cut off for 20 s while the leader changes: nothing moves`, async () => {
    const { world, cluster } = await bootCluster({ clusters: { demo: count } });
    await applySome(cluster);
    const before = cluster.runs;
    const isKept = ([name]: [string, string]) => !name.startsWith('ctl') && !name.startsWith('lone');
    const [leader, ...others] = [cluster.leader!, ...cluster.machines.filter((machine) => !machine.isLeader)];
    for (const machine of others.slice(0, 2)) machine.setNetwork({ unreachable: 'hang' });
    await world.advance(12_000);
    world.store.commit({ compares: [], writes: [{ delete: world.store.list(cluster.layout.election)[0]!.key }] });
    await world.until('another leader', () => cluster.leader !== undefined && cluster.leader !== leader, 15_000);
    await world.advance(8_000);
    for (const machine of others.slice(0, 2)) machine.setNetwork({ unreachable: 'no' });
    await cluster.converge();
    assert.deepEqual(Object.entries(cluster.runs).filter(isKept), Object.entries(before).filter(isKept));
    assert.deepEqual(Object.keys(cluster.runs), Object.keys(before));
    await cluster.assertQuiet();
  });
}

test('an agent is frozen for ten TTLs: the switch has ended its "stop" instances before they start elsewhere', async () => {
  const { world, cluster } = await bootCluster();
  await applySome(cluster);
  const isStop = (key: string) => key.startsWith('ctl') || key.startsWith('lone');
  const victim = cluster.machines.find((machine) => !machine.isLeader && machine.running.some(isStop))!;
  const kept = Object.entries(cluster.runs).filter(([name]) => name.endsWith(victim.name) && !isStop(name));
  victim.freezeAgent();
  await world.until('its switch', () => !victim.running.some(isStop), 0.8 * TTL_MS + 100);
  await world.advance(10 * TTL_MS);
  assert.deepEqual(
    Object.entries(cluster.runs).filter(([name]) => name.endsWith(victim.name)),
    kept,
  );
  for (const key of ['ctl/0', 'ctl/1', 'lone.service/0']) assert.equal(cluster.whereIs(key).length, 1, key);
  victim.thawAgent();
  await cluster.converge();
});

test('an agent is killed and stays away: the switch ends its "stop" instances in time, the others run on', async () => {
  const { world, cluster } = await bootCluster();
  await applySome(cluster);
  const isStop = (key: string) => key.startsWith('ctl') || key.startsWith('lone');
  const victim = cluster.machines.find((machine) => !machine.isLeader && machine.running.some(isStop))!;
  const before = victim.running;
  victim.killAgent();
  await world.until('its switch', () => !victim.running.some(isStop), 0.8 * TTL_MS + 100);
  await world.advance(30_000);
  assert.deepEqual(
    victim.running,
    before.filter((key) => !isStop(key)),
  );
  for (const key of ['ctl/0', 'ctl/1', 'lone.service/0']) assert.equal(cluster.whereIs(key).length, 1, key);
});

test('a machine is frozen as a whole: what goes on with it is ended before anything else happens', async () => {
  const { world, cluster } = await bootCluster();
  await applySome(cluster);
  const isStop = (key: string) => key.startsWith('ctl') || key.startsWith('lone');
  const victim = cluster.machines.find((machine) => !machine.isLeader && machine.running.some(isStop))!;
  victim.freeze();
  await world.advance(40_000);
  victim.thaw();
  assert.deepEqual(victim.running.filter(isStop), []);
  await cluster.converge();
  assert.ok(world.witness.thawOverlapsMs.every((ms) => ms <= 300));
});

/** Somebody sets the store back to a backup. */
function restore(world: SimWorld, backup: StoreSnapshot): void {
  world.witness.history.doubt();
  world.store.restore(backup);
}

/** Somebody says that it is to be gone on with. */
function confirm(world: SimWorld, cluster: SimCluster): void {
  const { cluster: key } = cluster.layout;
  const settings = clusterSettingsCodec.decode(world.store.get(key)!.value, key);
  const value = { ...settings, epoch: settings.epoch + 1, confirmedStore: { ...world.store.identity() } };
  world.store.commit({ compares: [], writes: [{ put: key, value: clusterSettingsCodec.encode(value) }] });
  world.witness.history.trust();
}

test('the store is restored from a backup: nothing is done by it until it is confirmed, and then all that it says', async () => {
  const { world, cluster } = await bootCluster();
  await cluster.apply('web', { replicas: 2 });
  await cluster.converge();
  await world.advance(60_000);
  const backup = world.store.snapshot();
  await cluster.apply('web', { replicas: 2, version: 2 });
  await cluster.apply('hello.service');
  await cluster.converge();
  await world.advance(60_000);
  const before = cluster.runs;
  restore(world, backup);
  await world.advance(60_000);
  assert.deepEqual(cluster.runs, before);
  for (const machine of cluster.machines) {
    const { state } = presenceCodec.decode(world.store.get(cluster.layout.presence(machine.node))!.value, 'presence');
    assert.equal(state, 'in-doubt');
  }
  confirm(world, cluster);
  cluster.disowned.add('hello.service' as WorkloadName);
  await cluster.converge();
});

test('a node is cut off while the store is restored, confirmed and changed: back again, it goes by the new one alone', async () => {
  const { world, cluster } = await bootCluster();
  await cluster.apply('everywhere', { replicas: 0 });
  await cluster.converge();
  const backup = world.store.snapshot();
  await cluster.apply('everywhere', { replicas: 0, version: 2 });
  await cluster.converge();
  const away = cluster.machines.find((machine) => !machine.isLeader)!;
  away.setNetwork({ unreachable: 'hang' });
  await world.advance(2_000);
  restore(world, backup);
  await world.advance(10_000);
  confirm(world, cluster);
  // Its spec has the number that the lost one had.
  await cluster.apply('everywhere', { replicas: 0, version: 3 });
  await world.advance(20_000);
  away.setNetwork({ unreachable: 'no' });
  await cluster.converge();
  await cluster.assertQuiet();
});
