import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { usualTiming } from '../../../src/cluster/ask-leases.ts';
import { commitAsLeader } from '../../../src/cluster/commit-as-leader.ts';
import { Election, type Leadership } from '../../../src/cluster/election.ts';
import { makeLayout } from '../../../src/cluster/layout.ts';
import { StorePulse } from '../../../src/cluster/store-pulse.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import { type NodeId, parseClusterId, parseNodeId } from '../../../src/domain/ids.ts';
import type { Kv } from '../../../src/etcd/port.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { advanceUntil } from '../../support/advance-until.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const layout = makeLayout('/muster', parseClusterId('demo'));
const ttlMs = 10_000;
const never = new AbortController().signal;

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of open.splice(0)) await end();
});

function makeWorld() {
  const clock = new FakeClock();
  return { clock, store: new MemoryStore(clock) };
}

/** A node's presence under a lease of its own, and the proof of it. */
async function register(kv: Kv, node: NodeId) {
  const { id: leaseId } = await kv.grantLease(ttlMs, never);
  const key = layout.presence(node);
  const writes = [{ put: key, value: 'here', lease: leaseId }];
  const { revision } = await kv.commit({ compares: [], writes }, never);
  return { leaseId, guard: () => ({ key, modRevision: revision }) };
}

/** A candidate whose presence is a key of its own below the same lease. */
async function stand({ clock, store }: ReturnType<typeof makeWorld>, digit: string) {
  const kv = store.client(digit);
  const node: NodeId = parseNodeId(digit.repeat(32));
  const { leaseId, guard } = await register(kv, node);
  const stop = new AbortController();
  const terms: Leadership[] = [];
  let failNext: (error: Error) => void = () => {};
  const election = new Election({
    ...{ kv, layout, node, nonce: digit, leaseId, guard, clock, log: silentLog, random: () => 0.5 },
    standAsideMs: ttlMs,
    ...{ pulse: new StorePulse(clock), ttlMs, timing: usualTiming },
    lead: (leadership, signal) => {
      terms.push(leadership);
      return new Promise((resolve, reject) => {
        failNext = reject;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    },
  });
  const running = election.run(stop.signal);
  open.push(async () => {
    stop.abort();
    await clock.advance(0);
    await running;
  });
  await clock.advance(0);
  return {
    election,
    kv,
    node,
    leaseId,
    terms,
    fail: (error: Error) => failNext(error),
    leads: () => election.term !== undefined,
  };
}

test('the first to stand leads, the others wait', async () => {
  const world = makeWorld();
  const [a, b, c] = [await stand(world, 'a'), await stand(world, 'b'), await stand(world, 'c')];
  await advanceUntil(world.clock, 'a leads', a.leads);
  assert.equal(b.leads() || c.leads(), false);
  assert.equal(a.terms[0]?.predecessor, undefined);
});

test('when a leader dies the next in the queue follows, and knows whom it followed', async () => {
  const world = makeWorld();
  const [a, b, c] = [await stand(world, 'a'), await stand(world, 'b'), await stand(world, 'c')];
  await advanceUntil(world.clock, 'a leads', a.leads);
  world.store.revokeLease(a.leaseId);
  await advanceUntil(world.clock, 'b leads', b.leads, 500);
  assert.equal(c.leads(), false);
  assert.equal(b.terms[0]?.predecessor, a.node);
  assert.ok((b.terms[0]?.term.createRevision ?? 0) > (a.terms[0]?.term.createRevision ?? 0));
});

test('a candidate knows whom it followed also when it came to stand behind it while others led', async () => {
  const world = makeWorld();
  const [a, b, c] = [await stand(world, 'a'), await stand(world, 'b'), await stand(world, 'c')];
  await advanceUntil(world.clock, 'a leads', a.leads);
  world.store.revokeLease(a.leaseId);
  await advanceUntil(world.clock, 'b leads', b.leads, 500);
  world.store.revokeLease(b.leaseId);
  await advanceUntil(world.clock, 'c leads', c.leads, 500);
  assert.equal(c.terms[0]?.predecessor, b.node);
});

test('one that dies in the middle of the queue elects nobody', async () => {
  const world = makeWorld();
  const [a, b, c] = [await stand(world, 'a'), await stand(world, 'b'), await stand(world, 'c')];
  await advanceUntil(world.clock, 'a leads', a.leads);
  world.store.revokeLease(b.leaseId);
  await world.clock.advance(500);
  assert.ok(a.leads());
  assert.equal(c.leads(), false);
  world.store.revokeLease(a.leaseId);
  await advanceUntil(world.clock, 'c leads', c.leads, 500);
});

test('a leader that resigns is followed at once, and ends its term', async () => {
  const world = makeWorld();
  const [a, b] = [await stand(world, 'a'), await stand(world, 'b')];
  await advanceUntil(world.clock, 'a leads', a.leads);
  await a.election.resign(never);
  await advanceUntil(world.clock, 'b leads', b.leads, 300);
  assert.equal(a.leads(), false);
});

test('one that has resigned does not stand again', async () => {
  const world = makeWorld();
  const [a, b] = [await stand(world, 'a'), await stand(world, 'b')];
  await advanceUntil(world.clock, 'a leads', a.leads);
  await b.election.resign(never);
  await a.election.resign(never);
  for (let second = 0; second < 30; second += 1) {
    for (const lease of [a.leaseId, b.leaseId]) world.store.renewLease(lease);
    await world.clock.advance(1_000);
  }
  assert.equal(a.leads() || b.leads(), false);
  assert.deepEqual(
    Object.keys(world.store.dump()).filter((key) => key.startsWith(layout.election)),
    [],
  );
});

test('a leader whose passes fail gives its place up and stands aside for a while', async () => {
  const world = makeWorld();
  const [a, b] = [await stand(world, 'a'), await stand(world, 'b')];
  await advanceUntil(world.clock, 'a leads', a.leads);
  a.fail(new AgentError('UNAVAILABLE', 'Cannot plan'));
  await advanceUntil(world.clock, 'b leads', b.leads, 300);
  assert.equal(Object.keys(world.store.dump()).filter((key) => key.startsWith(layout.election)).length, 1);
});

test('a candidate watches only the one before it', async () => {
  const world = makeWorld();
  const [a, b, c] = [await stand(world, 'a'), await stand(world, 'b'), await stand(world, 'c')];
  await advanceUntil(world.clock, 'a leads', a.leads);
  const before = new Map(c.kv.calls);
  world.store.revokeLease(a.leaseId);
  await advanceUntil(world.clock, 'b leads', b.leads, 500);
  assert.deepEqual(c.kv.calls, before, 'the third in the queue makes no request when the first dies');
});

test('a candidate whose presence is no longer its own cannot stand', async () => {
  const world = makeWorld();
  const a = await stand(world, 'a');
  await advanceUntil(world.clock, 'a leads', a.leads);
  await a.kv.commit({ compares: [], writes: [{ put: layout.presence(a.node), value: 'foreign' }] }, never);
  world.store.commit({ compares: [], writes: [{ delete: layout.candidate(a.leaseId) }] });
  await world.clock.advance(ttlMs * 3);
  assert.equal(a.leads(), false);
  assert.equal(a.terms.length, 1);
});

test('a leader whose watch was compacted past leads on, and still sees its candidacy go', async () => {
  const world = makeWorld();
  const a = await stand(world, 'a');
  await advanceUntil(world.clock, 'a leads', a.leads);
  for (let at = 0; at < 5; at += 1) world.store.commit({ compares: [], writes: [{ put: '/other', value: `${at}` }] });
  a.kv.cutOff();
  await world.clock.advance(1_000);
  world.store.compact();
  a.kv.reconnect();
  await world.clock.advance(1_000);
  assert.equal(a.terms.length, 1);
  assert.ok(a.leads());
  world.store.commit({ compares: [], writes: [{ delete: layout.candidate(a.leaseId) }] });
  await advanceUntil(world.clock, 'its term has ended', () => !a.leads(), 1_000);
});

test('one whose watch is compacted past each time asks not at full speed', async () => {
  const world = makeWorld();
  const a = await stand(world, 'a');
  await advanceUntil(world.clock, 'a leads', a.leads);
  const b = await stand(world, 'b');
  b.kv.watch = () => Promise.reject(new AgentError('STALE', 'Cannot watch: compacted'));
  for (let n = 0; n < 5; n += 1) world.store.commit({ compares: [], writes: [{ put: '/other', value: `${n}` }] });
  b.kv.cutOff(); // the watch under way ends, too
  await world.clock.advance(1_000);
  world.store.compact();
  b.kv.reconnect();
  await world.clock.advance(1_000);
  const before = b.kv.calls.get('get') ?? 0;
  await world.clock.advance(5_000);
  const gets = (b.kv.calls.get('get') ?? 0) - before;
  assert.ok(gets >= 10 && gets <= 110, `${gets} reads in 5 s, of two candidacies`);
});

test('one in the queue whose candidacy is deleted stands again, at the end of it', async () => {
  const world = makeWorld();
  const [a, b, c] = [await stand(world, 'a'), await stand(world, 'b'), await stand(world, 'c')];
  await advanceUntil(world.clock, 'a leads', a.leads);
  world.store.commit({ compares: [], writes: [{ delete: layout.candidate(b.leaseId) }] });
  await world.clock.advance(100);
  assert.equal(world.store.list(layout.election).length, 3);
  world.store.revokeLease(a.leaseId);
  await advanceUntil(world.clock, 'c leads', c.leads, 500);
  world.store.revokeLease(c.leaseId);
  await advanceUntil(world.clock, 'b leads', b.leads, 500);
});

test('text that somebody put into the queue by hand keeps nobody from leading', async () => {
  const world = makeWorld();
  const put = (name: string, value: string) =>
    world.store.commit({ compares: [], writes: [{ put: `${layout.election}${name}`, value }] });
  for (const name of ['0', '../../etc/passwd', 'a\nb\u0000', '99/more']) put(name, 'garbage');
  const [a, b] = [await stand(world, 'a'), await stand(world, 'b')];
  await advanceUntil(world.clock, 'a leads', a.leads);
  put('1', 'later garbage');
  world.store.revokeLease(a.leaseId);
  await advanceUntil(world.clock, 'b leads', b.leads, 500);
  assert.equal(b.terms[0]?.predecessor, a.node);
});

test('a leader of which the candidacy is written over stops, can commit no more, and stands again later', async () => {
  const world = makeWorld();
  const [a, b] = [await stand(world, 'a'), await stand(world, 'b')];
  await advanceUntil(world.clock, 'a leads', a.leads);
  const [first] = a.terms;
  world.store.commit({ compares: [], writes: [{ put: layout.candidate(a.leaseId), value: 'garbage' }] });
  const late = commitAsLeader(a.kv, first!.term, { compares: [], writes: [{ put: '/x', value: '' }] }, never);
  await assert.rejects(Promise.all([late, world.clock.advance(100)]), { code: 'FENCED' });
  await advanceUntil(world.clock, 'b leads', b.leads, 500);
  assert.equal(a.leads(), false);
  for (let second = 0; second < 15; second += 1) {
    for (const lease of [a.leaseId, b.leaseId]) world.store.renewLease(lease);
    await world.clock.advance(1_000);
  }
  assert.ok(b.leads(), 'the one that followed leads on');
  world.store.revokeLease(b.leaseId);
  await advanceUntil(world.clock, 'a leads again', a.leads, 1_000);
});

test('one that waits behind a candidacy that is written over waits behind the one before that', async () => {
  const world = makeWorld();
  const [a, b, c] = [await stand(world, 'a'), await stand(world, 'b'), await stand(world, 'c')];
  await advanceUntil(world.clock, 'a leads', a.leads);
  world.store.commit({ compares: [], writes: [{ put: layout.candidate(b.leaseId), value: 'garbage' }] });
  await world.clock.advance(500);
  assert.equal(c.leads(), false);
  world.store.revokeLease(a.leaseId);
  await advanceUntil(world.clock, 'c leads', c.leads, 500);
});
