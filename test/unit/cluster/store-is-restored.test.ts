import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { clusterSettingsCodec, presenceCodec } from '../../../src/cluster/codecs.ts';
import { makeLayout } from '../../../src/cluster/layout.ts';
import { Mirror } from '../../../src/cluster/mirror.ts';
import { Registration } from '../../../src/cluster/registration.ts';
import { TrustedKv } from '../../../src/cluster/trusted-kv.ts';
import { parseClusterId, parseNodeId } from '../../../src/domain/ids.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { advanceUntil } from '../../support/advance-until.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeStateFiles } from '../../support/fake-state-files.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const layout = makeLayout('/muster', parseClusterId('demo'));
const node = parseNodeId('a'.repeat(32));
const ttlMs = 10_000;

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of open.splice(0)) await end();
});

function makeWorld() {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  const put = (key: string, value = 'x') => store.commit({ compares: [], writes: [{ put: key, value }] });
  return { clock, store, files: new FakeStateFiles(), put };
}
type World = ReturnType<typeof makeWorld>;

function startAgent({ clock, store, files }: World, nonce: string) {
  const kv = store.client(nonce);
  const stop = new AbortController();
  const logged: string[] = [];
  let members = 0;
  const registration: Registration = new Registration({
    ...{ kv, layout, node, nonce, files, clock, random: () => 0.5 },
    log: { ...silentLog, error: (...args: unknown[]) => logged.push(String(args.at(-1))) },
    makeRecord: async () => ({
      ...{ machineId: 'b'.repeat(32), bootId: 'boot-1', hostname: 'n', addresses: [], advertise: 'n', labels: {} },
      ...{ capacity: { cpus: 1, memoryBytes: 1 }, runtimes: {}, agentVersion: '1', formats: [1], at: '' },
    }),
    defaults: { ttlMs, agentAwayMs: 60_000 },
    onChange: () => {},
    onRenewed: () => {},
    whileMember: async (_, signal) => {
      members += 1;
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      members -= 1;
    },
  });
  const trusted = new TrustedKv(kv, registration.trust, clock);
  const mirror = new Mirror({
    ...{ kv: trusted, prefix: layout.assignmentsOf(node), clock, log: silentLog, random: () => 0.5 },
    onChange: () => {},
  });
  let failure: unknown;
  const running = Promise.all([
    registration.run(stop.signal).catch((error: unknown) => {
      failure = error;
    }),
    mirror.run(stop.signal),
  ]);
  const end = async () => {
    stop.abort();
    await clock.advance(0);
    await running;
  };
  open.push(end);
  return { kv, registration, mirror, trusted, end, logged, members: () => members, failure: () => failure };
}
type Agent = ReturnType<typeof startAgent>;

const stateIs = (agent: Agent, kind: string) => () => agent.registration.state.kind === kind;
const order = `${layout.assignmentsOf(node)}web/0`;
const presenceOf = ({ store }: World) => {
  const found = store.get(layout.presence(node));
  return found && presenceCodec.decode(found.value, found.key);
};

async function confirm(world: World): Promise<void> {
  const found = world.store.get(layout.cluster);
  assert.ok(found);
  const settings = clusterSettingsCodec.decode(found.value, found.key);
  const epoch = Math.max(settings.epoch, presenceOf(world)?.epoch ?? 0) + 1;
  world.put(
    layout.cluster,
    clusterSettingsCodec.encode({ ...settings, epoch, confirmedStore: world.store.identity() }),
  );
}

/** An agent that has seen an order come, on a store that is then restored to before it. */
async function restoreUnder(world: World, options: { readonly clusterId?: string } = {}): Promise<Agent> {
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'));
  const snapshot = world.store.snapshot();
  for (let n = 0; n < 20; n += 1) world.put(`/elsewhere/${n}`);
  world.put(order, 'run');
  await advanceUntil(world.clock, 'the order seen', () => agent.mirror.entries.has(order));
  world.store.restore(snapshot, options.clusterId);
  return agent;
}

test('a store restored underneath a running agent is in doubt within a renewal; nothing is unlearned', async () => {
  const world = makeWorld();
  const agent = await restoreUnder(world);
  await advanceUntil(world.clock, 'in doubt', stateIs(agent, 'in-doubt'), 3_000);
  assert.equal(agent.registration.isStoreTrusted, false);
  assert.equal(presenceOf(world)?.state, 'in-doubt');
  assert.match(presenceOf(world)?.doubt ?? '', /an older copy of it answers/);
  assert.equal(agent.members(), 0);
  await world.clock.advance(60_000);
  assert.deepEqual([...agent.mirror.entries.keys()], [order], 'what the older store lacks is not taken for gone');
  assert.equal(agent.registration.isFenced(), false, 'the lease is renewed');
  assert.deepEqual(agent.logged, ['store in doubt'], 'said once');
  assert.equal(agent.failure(), undefined);
});

test('a store in doubt that is looked at again, and is as it was, has nothing said or taken anew', async () => {
  const world = makeWorld();
  const agent = await restoreUnder(world);
  await advanceUntil(world.clock, 'in doubt', stateIs(agent, 'in-doubt'), 3_000);
  await world.clock.advance(5_000);
  const said = world.store.get(layout.presence(node));
  for (let n = 0; n < 5; n += 1) {
    agent.registration.trust.suspect();
    world.put('/elsewhere');
    await world.clock.advance(1_000);
  }
  assert.deepEqual(world.store.get(layout.presence(node)), said);
});

test('a restored store that grows past what was known stays in doubt, also for the next process', async () => {
  const world = makeWorld();
  const agent = await restoreUnder(world);
  await advanceUntil(world.clock, 'in doubt', stateIs(agent, 'in-doubt'), 3_000);
  for (let n = 0; n < 100; n += 1) world.put(`/elsewhere/${n}`);
  world.store.stop();
  world.store.start();
  await world.clock.advance(10_000);
  assert.equal(agent.registration.state.kind, 'in-doubt');
  await agent.end();
  const next = startAgent(world, 'two');
  await advanceUntil(world.clock, 'in doubt', stateIs(next, 'in-doubt'), 5_000);
  assert.equal(presenceOf(world)?.nonce, 'two');
  assert.equal(next.mirror.synced, false);
});

test('confirmed, the restored store is followed within seconds, and the mirror shows what it holds', async () => {
  const world = makeWorld();
  const agent = await restoreUnder(world);
  await advanceUntil(world.clock, 'in doubt', stateIs(agent, 'in-doubt'), 3_000);
  await confirm(world);
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'), 3_000);
  await advanceUntil(world.clock, 'listed anew', () => agent.mirror.entries.size === 0, 3_000);
  assert.equal(agent.registration.isStoreTrusted, true);
  assert.equal(agent.registration.epoch, 2);
  assert.equal(presenceOf(world)?.state, 'up');
  assert.equal(presenceOf(world)?.doubt, undefined);
  assert.equal(agent.members(), 1);
  world.put(order, 'again');
  await advanceUntil(world.clock, 'the new order seen', () => agent.mirror.entries.has(order), 1_000);
});

test('a store in doubt that is set back once more while nobody looks, is confirmed, and grows past where it was, is followed', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'));
  const earlier = world.store.snapshot();
  for (let n = 0; n < 20; n += 1) world.put(`/elsewhere/${n}`);
  const later = world.store.snapshot();
  world.put(order, 'run');
  await advanceUntil(world.clock, 'the order seen', () => agent.mirror.entries.has(order));
  world.store.restore(later);
  await advanceUntil(world.clock, 'in doubt', stateIs(agent, 'in-doubt'), 3_000);
  await world.clock.advance(1_000);
  agent.kv.cutOff();
  world.store.restore(earlier);
  await confirm(world);
  for (let n = 0; n < 100; n += 1) world.put(`/elsewhere/${n}`);
  await world.clock.advance(1_000);
  agent.kv.reconnect();
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'), 10_000);
  assert.equal(agent.registration.epoch, 2);
});

test('a store that was restored and confirmed while a running agent was cut off is followed as it is', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'));
  const snapshot = world.store.snapshot();
  for (let n = 0; n < 20; n += 1) world.put(`/elsewhere/${n}`);
  world.put(order, 'run');
  await advanceUntil(world.clock, 'the order seen', () => agent.mirror.entries.has(order));
  agent.kv.cutOff();
  world.store.restore(snapshot);
  await confirm(world);
  await world.clock.advance(3_000);
  agent.kv.reconnect();
  await advanceUntil(world.clock, 'listed anew', () => agent.mirror.entries.size === 0, 10_000);
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'), 5_000);
  assert.equal(agent.registration.epoch, 2);
  assert.equal(agent.members(), 1);
  world.put(order, 'again');
  await advanceUntil(world.clock, 'the new order seen', () => agent.mirror.entries.has(order), 1_000);
});

test('a store that was restored, confirmed and written to past the known revision during a cut is known by its epoch', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'));
  const snapshot = world.store.snapshot();
  for (let n = 0; n < 20; n += 1) world.put(`/elsewhere/${n}`);
  world.put(order, 'run');
  await advanceUntil(world.clock, 'the order seen', () => agent.mirror.entries.has(order));
  world.store.compact();
  agent.kv.cutOff();
  await world.clock.advance(100);
  agent.kv.reconnect();
  await world.clock.advance(3_000); // the settings are followed from here on, after the snapshot
  agent.kv.cutOff();
  world.store.restore(snapshot);
  await confirm(world);
  for (let n = 0; n < 100; n += 1) world.put(`/elsewhere/${n}`);
  await world.clock.advance(8_000);
  agent.kv.reconnect();
  await advanceUntil(world.clock, 'listed anew', () => agent.mirror.entries.size === 0, 5_000);
  assert.equal(agent.registration.epoch, 2);
});

test('a connection that was lost is reason enough to look: the confirmation may lie before all that is watched', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'));
  const snapshot = world.store.snapshot();
  for (let n = 0; n < 20; n += 1) world.put(`/elsewhere/${n}`);
  world.put(order, 'run');
  const settings = world.store.get(layout.cluster)?.value;
  world.put(layout.cluster, settings); // so that its watch goes on from here too, past the confirmation
  await advanceUntil(world.clock, 'the order seen', () => agent.mirror.entries.has(order));
  agent.kv.cutOff();
  world.store.restore(snapshot);
  await confirm(world);
  for (let n = 0; n < 100; n += 1) world.put(`/elsewhere/${n}`);
  await world.clock.advance(100);
  agent.kv.reconnect();
  await advanceUntil(world.clock, 'listed anew', () => agent.mirror.entries.size === 0, 5_000);
  assert.equal(agent.registration.epoch, 2);
});

test('settings of the cluster that somebody has deleted come back with the epoch that was reached', async () => {
  const world = makeWorld();
  const first = await restoreUnder(world);
  await advanceUntil(world.clock, 'in doubt', stateIs(first, 'in-doubt'), 3_000);
  await confirm(world);
  await advanceUntil(world.clock, 'joined', stateIs(first, 'joined'), 3_000);
  world.store.commit({ compares: [], writes: [{ delete: layout.cluster }] });
  await world.clock.advance(10_000);
  assert.equal(first.registration.state.kind, 'joined', 'that they are gone changes nothing');
  await first.end();
  const second = startAgent(world, 'two');
  await advanceUntil(world.clock, 'joined', stateIs(second, 'joined'), 5_000);
  const found = world.store.get(layout.cluster);
  assert.equal(found && clusterSettingsCodec.decode(found.value, found.key).epoch, 2);
});

test('an agent that starts on a store older than it knew acts on nothing; the first start ever compares nothing', async () => {
  const world = makeWorld();
  const first = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', stateIs(first, 'joined'));
  const snapshot = world.store.snapshot();
  world.put(order, 'run');
  await advanceUntil(world.clock, 'the order seen', () => first.mirror.entries.has(order));
  await first.end();
  world.store.restore(snapshot);
  const second = startAgent(world, 'two');
  await advanceUntil(world.clock, 'in doubt', stateIs(second, 'in-doubt'), 5_000);
  assert.equal(second.mirror.synced, false);
  await second.end();
  const fresh = startAgent({ ...world, files: new FakeStateFiles() }, 'three');
  await advanceUntil(world.clock, 'joined', stateIs(fresh, 'joined'), 5_000);
});

test('an empty store in place of the known one is in doubt, not empty of orders', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'));
  world.put(order, 'run');
  await advanceUntil(world.clock, 'the order seen', () => agent.mirror.entries.has(order));
  world.store.restore({ kvs: [], leases: [], revision: 1 });
  await advanceUntil(world.clock, 'in doubt', stateIs(agent, 'in-doubt'), 5_000);
  assert.deepEqual([...agent.mirror.entries.keys()], [order]);
  assert.equal(presenceOf(world)?.state, 'in-doubt');
});

test('a copy from before the last confirmation is in doubt however far it has come, and nothing is listed from it', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'));
  const earlier = world.store.snapshot();
  for (let n = 0; n < 100; n += 1) world.put(`/elsewhere/${n}`);
  const further = world.store.snapshot();
  world.put(order, 'run');
  await advanceUntil(world.clock, 'the order seen', () => agent.mirror.entries.has(order));
  world.store.restore(earlier);
  await advanceUntil(world.clock, 'in doubt', stateIs(agent, 'in-doubt'));
  await confirm(world);
  await advanceUntil(world.clock, 'listed anew', () => agent.mirror.entries.size === 0);
  world.put(order, 'again');
  await advanceUntil(world.clock, 'the order seen', () => agent.mirror.entries.has(order));
  world.store.restore(further);
  await advanceUntil(world.clock, 'in doubt', stateIs(agent, 'in-doubt'));
  await world.clock.advance(10_000);
  assert.deepEqual([...agent.mirror.entries.keys()], [order], 'what that one lacks is not taken for gone');
});

test('another cluster in place of the known one is in doubt until that is back', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'));
  const snapshot = world.store.snapshot();
  world.put(order, 'run');
  await advanceUntil(world.clock, 'the order seen', () => agent.mirror.entries.has(order));
  world.store.restore({ ...snapshot, revision: 5_000 }, 'foreign');
  for (let n = 0; n < 5; n += 1) {
    world.store.stop();
    world.store.start();
  }
  await advanceUntil(world.clock, 'in doubt', stateIs(agent, 'in-doubt'), 10_000);
  assert.match(agent.registration.state.text, /another etcd cluster answers/);
  await world.clock.advance(10_000);
  assert.deepEqual([...agent.mirror.entries.keys()], [order], 'what that one lacks is not taken for gone');
  world.store.restore({ ...snapshot, revision: snapshot.revision + 10 }, 'memory');
  for (let n = 0; n < 9; n += 1) {
    world.store.stop();
    world.store.start();
  }
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'), 10_000);
  assert.equal(agent.registration.isStoreTrusted, true);
});

test('while in doubt the store is as if away for whoever acts on it', async () => {
  const world = makeWorld();
  const agent = await restoreUnder(world);
  await advanceUntil(world.clock, 'in doubt', stateIs(agent, 'in-doubt'), 3_000);
  const never = new AbortController().signal;
  const calls = [
    agent.trusted.get(order, never),
    agent.trusted.commit({ compares: [], writes: [{ put: order, value: 'x' }] }, never),
    agent.trusted.watch({ key: order }, 1, () => {}, never),
  ].map((call) => assert.rejects(call, { code: 'UNAVAILABLE' }));
  await world.clock.advance(6_000);
  await Promise.all(calls);
  assert.equal(world.store.get(order), undefined);
});

test('a member that lags behind raises no doubt', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'));
  const before = agent.kv.calls.get('identity') ?? 0;
  const { revision } = world.store.identity();
  agent.registration.trust.noteHint({ ...world.store.identity(), revision: revision - 1 });
  await world.clock.advance(1_000);
  assert.equal(agent.kv.calls.get('identity'), before + 1, 'one read clears it up');
  assert.equal(agent.registration.state.kind, 'joined');
});

test('an idle agent asks for nothing but renewals, and writes its line down no more than each 30 s', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'));
  await world.clock.advance(1_000);
  const before = new Map(agent.kv.calls);
  const { writes } = world.files;
  for (let second = 0; second < 120; second += 1) {
    world.put(`/elsewhere/${second}`);
    await world.clock.advance(1_000);
  }
  const made = [...agent.kv.calls].filter(([name, count]) => name !== 'renewLease' && count !== before.get(name));
  assert.deepEqual(made, []);
  assert.ok(world.files.writes - writes >= 3 && world.files.writes - writes <= 4, `${world.files.writes - writes}`);
  assert.match(world.files.texts.get('store-line') ?? '', /"revision":1\d\d/);
});

test('a node whose doubt ends while it registers does not go on saying that it doubts', async () => {
  for (let atMs = 0; atMs <= 3_000; atMs += 100) {
    const world = makeWorld();
    const agent = await restoreUnder(world);
    await advanceUntil(world.clock, 'in doubt', stateIs(agent, 'in-doubt'), 3_000);
    agent.kv.setFaults({ delayMs: 400 });
    world.store.commit({ compares: [], writes: [{ delete: layout.presence(node) }] });
    await world.clock.advance(atMs);
    await confirm(world);
    agent.registration.trust.suspect();
    await advanceUntil(world.clock, `up, confirmed after ${atMs} ms`, () => presenceOf(world)?.state === 'up', 20_000);
    await world.clock.advance(5_000);
    assert.equal(presenceOf(world)?.state, 'up');
    await agent.end();
  }
});

test('a store that is looked at is cleared also while the node cannot join', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'));
  const found = clusterSettingsCodec.decode(world.store.get(layout.cluster)?.value ?? '', layout.cluster);
  world.put(layout.cluster, clusterSettingsCodec.encode({ ...found, layout: 99 }));
  world.store.commit({ compares: [], writes: [{ delete: layout.presence(node) }] });
  await advanceUntil(world.clock, 'not joined', () => agent.members() === 0);
  agent.registration.trust.suspect();
  await advanceUntil(world.clock, 'clear', () => agent.registration.trust.isClear, 10_000);
  assert.equal(agent.members(), 0);
});

test('a disk that cannot be read or written keeps no node from joining', async () => {
  const world = makeWorld();
  world.files.refusesReads = true;
  world.files.refusesWrites = true;
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', stateIs(agent, 'joined'));
  assert.equal(agent.logged.length, 2);
  await world.clock.advance(120_000);
  assert.equal(agent.logged.length, 2, 'said once');
});
