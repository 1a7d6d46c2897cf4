import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { nodeRecordCodec, presenceCodec } from '../../../src/cluster/codecs.ts';
import { makeLayout } from '../../../src/cluster/layout.ts';
import { Registration } from '../../../src/cluster/registration.ts';
import { parseClusterId, parseNodeId } from '../../../src/domain/ids.ts';
import type { NodeRecord } from '../../../src/domain/node.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { advanceUntil } from '../../support/advance-until.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeStateFiles } from '../../support/fake-state-files.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const layout = makeLayout('/muster', parseClusterId('demo'));
const node = parseNodeId('a'.repeat(32));
const ttlMs = 10_000;
const presenceKey = layout.presence(node);

const record = (over: Partial<NodeRecord> = {}): NodeRecord => ({
  machineId: 'b'.repeat(32),
  bootId: 'boot-1',
  hostname: 'node1',
  addresses: ['10.0.0.1'],
  advertise: '10.0.0.1',
  labels: {},
  capacity: { cpus: 2, memoryBytes: 1_000 },
  runtimes: {},
  agentVersion: '1',
  formats: [1],
  at: '2026-01-01T00:00:00.000Z',
  ...over,
});

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of open.splice(0)) await end();
});

function makeWorld() {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  return { clock, store, files: new FakeStateFiles() };
}

function startAgent(
  { clock, store, files }: ReturnType<typeof makeWorld>,
  nonce: string,
  over: Partial<NodeRecord> = {},
) {
  const kv = store.client(nonce);
  const stop = new AbortController();
  const memberships: string[] = [];
  const registration = new Registration({
    kv,
    layout,
    node,
    nonce,
    makeRecord: () => Promise.resolve(record(over)),
    defaults: { ttlMs, agentAwayMs: 60_000 },
    files,
    clock,
    log: silentLog,
    random: () => 0.5,
    onChange: () => {},
    onRenewed: () => {},
    whileMember: (membership, signal) => {
      memberships.push(membership.how);
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
  });
  let failure: unknown;
  const running = registration.run(stop.signal).catch((error: unknown) => {
    failure = error;
  });
  const kill = async () => {
    stop.abort();
    await clock.advance(0);
    await running;
  };
  open.push(kill);
  return { registration, kv, kill, memberships, failure: () => failure };
}

const joined = (agent: ReturnType<typeof startAgent>) => () => agent.registration.state.kind === 'joined';
const recordOf = (store: MemoryStore) => {
  const found = store.get(layout.nodeRecord(node));
  return found && nodeRecordCodec.decode(found.value, found.key);
};
const presenceOf = (store: MemoryStore) => {
  const found = store.get(presenceKey);
  return found && presenceCodec.decode(found.value, found.key);
};

test('a first agent writes the cluster, its record and its presence under one lease', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(agent));
  assert.ok(world.store.get(layout.cluster));
  assert.ok(world.store.get(layout.nodeRecord(node)));
  assert.equal(presenceOf(world.store)?.nonce, 'one');
  assert.notEqual(world.store.get(presenceKey)?.lease, '0');
  assert.deepEqual(agent.memberships, ['registered']);
});

test('presence outlives the TTL while its agent lives, and not when it is killed', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(agent));
  for (let second = 0; second < 30; second += 1) await world.clock.advance(1_000);
  assert.ok(world.store.get(presenceKey));
  await agent.kill();
  for (let second = 0; second < 11; second += 1) await world.clock.advance(1_000);
  assert.equal(world.store.get(presenceKey), undefined);
});

test('an agent that is killed and started again adopts its lease at once, and its candidacy is withdrawn', async () => {
  const world = makeWorld();
  const first = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(first));
  const lease = world.store.get(presenceKey)?.lease ?? '';
  world.store.commit({ compares: [], writes: [{ put: layout.candidate(lease), value: 'x', lease }] });
  await first.kill();
  const second = startAgent(world, 'two');
  await advanceUntil(world.clock, 'joined', joined(second), 500);
  assert.equal(world.store.get(presenceKey)?.lease, lease);
  assert.equal(presenceOf(world.store)?.nonce, 'two');
  assert.equal(world.store.get(layout.candidate(lease)), undefined);
  assert.deepEqual(second.memberships, ['adopted']);
});

test('a running agent ends when another process has taken its presence', async () => {
  const world = makeWorld();
  const first = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(first));
  const second = startAgent(world, 'two');
  await advanceUntil(world.clock, 'the first has ended', () => first.failure() !== undefined);
  assert.match(String(first.failure()), /another agent process has taken its presence/);
  assert.ok(joined(second)());
});

test('an agent whose lease the store has dropped registers again at once', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(agent));
  const lease = world.store.get(presenceKey)?.lease ?? '';
  world.store.revokeLease(lease);
  await advanceUntil(world.clock, 'presence is back', () => world.store.get(presenceKey) !== undefined, 500);
  assert.notEqual(world.store.get(presenceKey)?.lease, lease);
  assert.deepEqual(agent.memberships, ['registered', 'registered']);
});

test('a lease that the store drops early is no fence while the deadline holds, and is one after it', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(agent));
  agent.kv.setFaults({ unreachable: 'refuse' });
  world.store.revokeLease(world.store.get(presenceKey)?.lease ?? '');
  await world.clock.advance(1_000);
  assert.equal(agent.registration.isFenced(), false);
  await advanceUntil(world.clock, 'fenced', () => agent.registration.isFenced(), ttlMs * 0.6);
});

test('a rebooted machine takes its own ID back once its old lease has shown that nobody renews it', async () => {
  const world = makeWorld();
  const first = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(first));
  await first.kill();
  const second = startAgent(world, 'two', { bootId: 'boot-2' });
  await world.clock.advance(3_000);
  assert.equal(presenceOf(world.store)?.nonce, 'one');
  await advanceUntil(world.clock, 'joined', joined(second), 2_000);
  assert.equal(presenceOf(world.store)?.bootId, 'boot-2');
  assert.deepEqual(second.memberships, ['taken-over']);
  assert.equal(second.registration.maySafelyRun(), false, 'a stop instance of the old boot may still run');
  await advanceUntil(world.clock, 'the old lease would have run out', () => second.registration.maySafelyRun(), ttlMs);
});

test('a rebooted machine is not taken for a clone because etcd has elected a leader, which prolongs its old lease', async () => {
  const world = makeWorld();
  const first = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(first));
  await first.kill();
  await world.clock.advance(1_500);
  const second = startAgent(world, 'two', { bootId: 'boot-2' });
  await world.clock.advance(2_000);
  world.store.stop();
  await world.clock.advance(1_000);
  world.store.start();
  await advanceUntil(world.clock, 'joined', joined(second), 2 * ttlMs);
  assert.deepEqual(second.memberships, ['taken-over']);
});

test('a machine that had said it was leaving takes its ID back at once', async () => {
  const world = makeWorld();
  const first = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(first));
  await first.registration.writeLeaving(new AbortController().signal);
  assert.equal(presenceOf(world.store)?.state, 'leaving');
  await first.kill();
  const second = startAgent(world, 'two', { bootId: 'boot-2' });
  await advanceUntil(world.clock, 'joined', joined(second), 500);
  assert.equal(second.registration.maySafelyRun(), true);
});

test('a clone that lives beside its original is refused, and the original notices nothing', async () => {
  const world = makeWorld();
  const original = startAgent(world, 'original');
  await advanceUntil(world.clock, 'joined', joined(original));
  const clone = startAgent(world, 'clone', { bootId: 'boot-of-the-clone' });
  await advanceUntil(world.clock, 'refused', () => clone.registration.state.kind === 'refused');
  assert.match(clone.registration.state.text, /another machine that is alive has it too.*systemd-machine-id-setup/);
  assert.equal(clone.registration.isDecided, false);
  assert.equal(presenceOf(world.store)?.nonce, 'original');
  assert.deepEqual(original.memberships, ['registered']);
});

test('a clone with another product UUID is refused by both names', async () => {
  const world = makeWorld();
  const original = startAgent(world, 'original', { productUuid: 'uuid-1' });
  await advanceUntil(world.clock, 'joined', joined(original));
  const clone = startAgent(world, 'clone', { bootId: 'boot-2', productUuid: 'uuid-2', hostname: 'node9' });
  await advanceUntil(world.clock, 'refused', () => clone.registration.state.kind === 'refused', 500);
  assert.match(clone.registration.state.text, /machine node1 .*uuid-1.*uuid-2/);
});

test('an agent that starts before the store says so and joins when it comes', async () => {
  const world = makeWorld();
  world.store.stop();
  const agent = startAgent(world, 'one');
  await world.clock.advance(20_000);
  assert.equal(agent.registration.state.kind, 'joining');
  assert.equal(agent.registration.isFenced(), false);
  world.store.start();
  await advanceUntil(world.clock, 'joined', joined(agent), 3_000);
});

test('an agent cut off from the store is fenced before its TTL, and free again once presence is confirmed', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(agent));
  agent.kv.cutOff();
  await advanceUntil(world.clock, 'fenced', () => agent.registration.isFenced(), ttlMs * 0.65);
  assert.equal(agent.registration.maySafelyRun(), false);
  agent.kv.reconnect();
  await advanceUntil(world.clock, 'free again', () => agent.registration.maySafelyRun(), 5_000);
  assert.deepEqual(agent.memberships, ['registered']);
});

test('a stopped agent leaves its presence for as long as it may be away, and finds it on its return', async () => {
  const world = makeWorld();
  const first = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(first));
  await first.registration.handOver(new AbortController().signal);
  await first.kill();
  assert.equal(presenceOf(world.store)?.state, 'away');
  assert.equal(recordOf(world.store)?.handoverMs, 60_000, 'known also to who has not seen it go');
  for (let second = 0; second < 50; second += 1) await world.clock.advance(1_000);
  assert.equal(presenceOf(world.store)?.state, 'away');
  const second = startAgent(world, 'two');
  await advanceUntil(world.clock, 'joined', joined(second), 500);
  assert.equal(presenceOf(world.store)?.state, 'up');
  assert.equal(recordOf(world.store)?.handoverMs, undefined);
  await second.kill();
  for (let at = 0; at < 11; at += 1) await world.clock.advance(1_000);
  assert.equal(world.store.get(presenceKey), undefined, 'the long lease is gone with the return');
});

test('an agent that has handed over does not register again when it is slow to end', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(agent));
  await agent.registration.handOver(new AbortController().signal);
  await world.clock.advance(7_000);
  assert.equal(presenceOf(world.store)?.state, 'away');
  assert.equal(agent.registration.isFenced(), false);
  await agent.kill();
  assert.equal(agent.failure(), undefined);
});

test('text that somebody puts in the place of presence is taken for its loss', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(agent));
  const ours = world.store.get(presenceKey)?.value ?? '';
  for (const value of ['garbage', '{"v":99}', ours]) {
    world.store.commit({ compares: [], writes: [{ put: presenceKey, value }] });
    await advanceUntil(world.clock, 'under a lease again', () => world.store.get(presenceKey)?.lease !== '0', 10_000);
    assert.equal(presenceOf(world.store)?.nonce, 'one');
    assert.equal(agent.registration.isFenced(), false);
  }
});

test('a node of which somebody has spoilt presence and record writes both anew', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'it has joined', () => agent.registration.state.kind === 'joined');
  for (const key of [layout.nodeRecord(node), presenceKey]) {
    world.store.commit({ compares: [], writes: [{ put: key, value: 'garbage' }] });
  }
  await advanceUntil(world.clock, 'it is there again', () => agent.memberships.length === 2, 20_000);
  for (const key of [layout.nodeRecord(node), presenceKey]) assert.match(world.store.get(key)?.value ?? '', /^{"v":1,/);
});

test('a presence without a lease is nobody, whatever it says', async () => {
  const world = makeWorld();
  const value = presenceCodec.encode({ nonce: 'x', bootId: 'by hand', ttlMs, state: 'up' });
  world.store.commit({ compares: [], writes: [{ put: presenceKey, value }] });
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(agent), 10_000);
  assert.equal(presenceOf(world.store)?.nonce, 'one');
});

test('a write of its own whose answer was lost does not cost a node the proof of its presence', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(agent));
  agent.kv.setFaults({ loseReplies: 1 });
  const writing = assert.rejects(agent.registration.writeLeaving(new AbortController().signal));
  await world.clock.advance(20_000);
  await writing;
  assert.equal(presenceOf(world.store)?.state, 'leaving');
  const guard = agent.registration.guard();
  assert.deepEqual(guard, { key: presenceKey, modRevision: world.store.get(presenceKey)?.modRevision });
});

test('a node that leaves and has lost its presence comes back as leaving', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(agent));
  await agent.registration.writeLeaving(new AbortController().signal);
  world.store.revokeLease(world.store.get(presenceKey)?.lease ?? '');
  await advanceUntil(world.clock, 'presence is back', () => world.store.get(presenceKey) !== undefined, 500);
  assert.equal(presenceOf(world.store)?.state, 'leaving');
  assert.equal(agent.registration.state.kind, 'leaving');
});

test('an ended agent leaves no timer and no watch behind', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(agent));
  await agent.kill();
  for (let second = 0; second < 11; second += 1) await world.clock.advance(1_000);
  assert.equal(world.clock.pendingTimers, 0);
});

test('a presence that goes as soon as it is there is not taken without pause', async () => {
  const world = makeWorld();
  const agent = startAgent(world, 'one');
  await advanceUntil(world.clock, 'joined', joined(agent));
  const thief = new AbortController();
  const watching = world.store.client('thief').watch(
    { key: presenceKey },
    1,
    ({ events }) => {
      for (const { type, kv } of events) if (type === 'put') world.store.revokeLease(kv.lease);
    },
    thief.signal,
  );
  await world.clock.advance(20_000);
  assert.ok(agent.memberships.length > 5, 'still tried');
  assert.ok(agent.memberships.length < 60, `${agent.memberships.length} memberships in 20 s`);
  thief.abort();
  await watching;
  await advanceUntil(world.clock, 'present', () => world.store.get(presenceKey) !== undefined, 2_000);
});
