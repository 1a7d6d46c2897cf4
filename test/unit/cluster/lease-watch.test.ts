import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { usualTiming } from '../../../src/cluster/ask-leases.ts';
import { Election, type Leadership } from '../../../src/cluster/election.ts';
import { makeLayout } from '../../../src/cluster/layout.ts';
import { StorePulse, tapLeases } from '../../../src/cluster/store-pulse.ts';
import { parseClusterId, parseNodeId } from '../../../src/domain/ids.ts';
import type { Kv } from '../../../src/etcd/port.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { advanceUntil } from '../../support/advance-until.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const layout = makeLayout('/muster', parseClusterId('demo'));
const ttlMs = 10_000;
/** After the election: 0.6 of a TTL, the second by which etcd may have rounded, and a sample's time. */
const watchedMs = 0.6 * ttlMs + 1_300;
const never = new AbortController().signal;

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of open.splice(0)) await end();
});

function makeWorld() {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  /** etcd's leader dies: nobody is answered until there's another one, a second and a half later. */
  const elect = async () => {
    store.stop();
    await clock.advance(1_500);
    store.start();
  };
  return { clock, store, elect };
}

/** Renews each quarter of the TTL from then on, through a store that tells the pulse of it; returns the end of that. */
function beat(kv: Kv, leaseId: string, clock: FakeClock, afterMs: number): () => void {
  let cancel: () => void;
  const renew = () => {
    kv.renewLease(leaseId, 2_000, never).catch(() => undefined);
    cancel = clock.after(ttlMs / 4, renew);
  };
  cancel = clock.after(afterMs, renew);
  return () => cancel();
}

/** A candidate on a node that lives until it's told to die. */
async function stand({ clock, store }: ReturnType<typeof makeWorld>, digit: string, renewsInMs: number) {
  const kv = store.client(digit);
  const node = parseNodeId(digit.repeat(32));
  const pulse = new StorePulse(clock);
  const { id: leaseId } = store.grantLease(ttlMs);
  const presence = layout.presence(node);
  const { revision } = store.commit({ compares: [], writes: [{ put: presence, value: 'here', lease: leaseId }] });
  const stop = new AbortController();
  const terms: Leadership[] = [];
  const election = new Election({
    ...{ kv, layout, node, nonce: digit, leaseId, pulse, ttlMs, timing: usualTiming, standAsideMs: ttlMs },
    ...{ guard: () => ({ key: presence, modRevision: revision }), clock, log: silentLog, random: () => 0.5 },
    lead: (leadership, signal) => {
      terms.push(leadership);
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
  });
  const endBeat = beat(tapLeases(kv, pulse), leaseId, clock, renewsInMs);
  const running = election.run(stop.signal);
  const die = async () => {
    endBeat();
    stop.abort();
    kv.cutOff();
    await clock.advance(0);
    await running;
  };
  open.push(die);
  await clock.advance(0);
  const calls = (method: keyof Kv) => kv.calls.get(method) ?? 0;
  return { kv, node, leaseId, presence, terms, die, calls, leads: () => election.term !== undefined };
}

async function standAll(world: ReturnType<typeof makeWorld>) {
  const [a, b, c] = [await stand(world, 'a', 300), await stand(world, 'b', 1_000), await stand(world, 'c', 1_700)];
  await world.clock.advance(ttlMs);
  assert.ok(a.leads());
  return { a, b, c };
}

test('the next in the queue follows a leader that died with etcd’s leader before etcd itself drops its lease', async () => {
  const world = makeWorld();
  const { a, b, c } = await standAll(world);
  await Promise.all([a.die(), world.elect()]);
  const electedAtMs = world.clock.monotonicMs();
  await advanceUntil(world.clock, 'b leads', b.leads, 2 * ttlMs);
  const tookMs = world.clock.monotonicMs() - electedAtMs;
  assert.ok(tookMs <= watchedMs, `b leads ${tookMs} ms after the election`);
  assert.ok(tookMs >= 0.6 * ttlMs, `b leads ${tookMs} ms after the election: the agent of a may lead yet`);
  assert.equal(b.terms[0]?.predecessor, a.node);
  assert.equal(world.store.get(a.presence), undefined);
  assert.equal(c.calls('revokeLease'), 0, 'those further back leave it alone');
  assert.ok(c.calls('leaseTimeToLive') <= 2, 'b is asked for until it has renewed');
});

test('the next in the queue follows a leader that died with etcd’s leader, also one that came to lead while it waited', async () => {
  const world = makeWorld();
  const { a, b, c } = await standAll(world);
  world.store.revokeLease(a.leaseId);
  await advanceUntil(world.clock, 'b leads', b.leads, ttlMs);
  await Promise.all([b.die(), world.elect()]);
  const electedAtMs = world.clock.monotonicMs();
  await advanceUntil(world.clock, 'c leads', c.leads, 2 * ttlMs);
  assert.ok(world.clock.monotonicMs() - electedAtMs <= watchedMs);
  assert.equal(c.terms[0]?.predecessor, b.node);
});

test('the next in the queue asks again when it is not told how long the lease of the leader lives', async () => {
  const world = makeWorld();
  const { a, b } = await standAll(world);
  const { kv } = b;
  const ask = kv.leaseTimeToLive.bind(kv);
  let failures = 0;
  kv.leaseTimeToLive = (id, signal) =>
    failures++ < 2 ? Promise.reject(new Error('etcdserver: leader changed')) : ask(id, signal);
  await Promise.all([a.die(), world.elect()]);
  const electedAtMs = world.clock.monotonicMs();
  await advanceUntil(world.clock, 'b leads', b.leads, 2 * ttlMs);
  assert.ok(world.clock.monotonicMs() - electedAtMs <= watchedMs);
});

test('a leader that renews leads on, however often etcd elects, and its lease is asked for only after that', async () => {
  const world = makeWorld();
  const { a, b, c } = await standAll(world);
  assert.equal(b.calls('leaseTimeToLive'), 0);
  for (let election = 0; election < 3; election += 1) {
    await world.elect();
    await world.clock.advance(4_000);
  }
  await world.clock.advance(60_000);
  for (const { calls } of [b, c]) {
    const asked = calls('leaseTimeToLive');
    assert.ok(asked >= 3 && asked <= 9, `asked ${asked} times`);
    assert.equal(calls('revokeLease'), 0);
  }
  assert.ok(a.leads());
  assert.equal(a.terms.length, 1);
});

test('one that dies with etcd’s leader in the middle of the queue is left to the leader', async () => {
  const world = makeWorld();
  const { a, b, c } = await standAll(world);
  await Promise.all([b.die(), world.elect()]);
  await world.clock.advance(ttlMs - 1_000);
  assert.notEqual(world.store.get(b.presence), undefined);
  await world.clock.advance(ttlMs);
  assert.equal(c.calls('revokeLease'), 0);
  assert.ok(a.leads());
});

test('many candidates that find the one before them dead do not all read the whole queue while the leader lives', async () => {
  const world = makeWorld();
  const { a, b, c } = await standAll(world);
  await Promise.all([b.die(), world.elect()]);
  const before = c.calls('list');
  await world.clock.advance(ttlMs - 1_000);
  assert.ok(c.calls('leaseTimeToLive') >= 2);
  assert.equal(c.calls('list'), before);
  assert.equal(c.calls('revokeLease'), 0);
  assert.ok(a.leads());
});

test('a candidate that comes to be the next only after the election watches the leader then', async () => {
  const world = makeWorld();
  const { a, b, c } = await standAll(world);
  await Promise.all([a.die(), world.elect()]);
  const electedAtMs = world.clock.monotonicMs();
  await world.clock.advance(4_000);
  await b.die();
  world.store.revokeLease(b.leaseId);
  await advanceUntil(world.clock, 'c leads', c.leads, ttlMs);
  assert.ok(world.clock.monotonicMs() - electedAtMs <= watchedMs);
  assert.equal(c.terms[0]?.predecessor, a.node);
});

test('the lease of a leader of which the candidacy is another by now is not revoked', async () => {
  const world = makeWorld();
  const { a, b } = await standAll(world);
  await Promise.all([a.die(), world.elect()]);
  await world.clock.advance(4_000);
  const list = b.kv.list.bind(b.kv);
  b.kv.list = async (prefix, signal) => {
    const listed = await list(prefix, signal);
    return { ...listed, kvs: listed.kvs.map((kv) => ({ ...kv, modRevision: listed.revision })) };
  };
  await world.clock.advance(4_000);
  assert.ok(b.calls('leaseTimeToLive') > 1);
  assert.equal(b.calls('revokeLease'), 0);
});
