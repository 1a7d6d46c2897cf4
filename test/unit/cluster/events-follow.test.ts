import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Codec } from '../../../src/cluster/codec.ts';
import {
  candidateCodec,
  clusterSettingsCodec,
  holdCodec,
  instanceCodec,
  nodeRecordCodec,
  nodeSettingsCodec,
  nodeVerdictCodec,
  presenceCodec,
  statusCodec,
  workloadCodec,
} from '../../../src/cluster/codecs.ts';
import { type EventSink, type EventStart, followEvents } from '../../../src/cluster/events-follow.ts';
import { makeLayout } from '../../../src/cluster/layout.ts';
import type { ClusterEvent } from '../../../src/domain/event.ts';
import { type InstanceKey, type NodeId, parseClusterId, type WorkloadName } from '../../../src/domain/ids.ts';
import type { NodeRecord, Presence } from '../../../src/domain/node.ts';
import type { Workload } from '../../../src/domain/spec.ts';
import type { InstanceStatus } from '../../../src/domain/status.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { eventually } from '../../support/eventually.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { makeWorkload } from '../plan/plan-cluster-world.ts';

const layout = makeLayout('/muster', parseClusterId('test'));
const [n1, n2] = ['1'.repeat(32), '2'.repeat(32)] as [NodeId, NodeId];
const web = 'web' as WorkloadName;
const web0 = 'web/0' as InstanceKey;
const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}.000Z`;

function makeRecord(hostname: string, second: number): NodeRecord {
  const capacity = { cpus: 1, memoryBytes: 1 };
  const names = { machineId: 'm', bootId: 'b', hostname, addresses: [], advertise: '', agentVersion: '1' };
  return { ...names, labels: {}, capacity, runtimes: {}, formats: [1], at: at(second) };
}

const up: Presence = { nonce: 'n', bootId: 'b', ttlMs: 4_000, state: 'up' };

function makeStatus(over: Partial<InstanceStatus>): InstanceStatus {
  const base = { assignmentRevision: 1, spec: 1, phase: 'starting', healthy: false, health: 'none' } as const;
  return { ...base, since: at(0), restarts: 0, ...over };
}

/** A store whose history a test writes, and followers of it. */
class History {
  readonly store = new MemoryStore(systemClock, { callMs: 200, attemptMs: 100 });
  readonly kv = this.store.client('api');
  readonly #t: TestContext;

  constructor(t: TestContext) {
    this.#t = t;
    t.after(() => this.kv.close());
  }

  put<T>(key: string, codec: Codec<T>, value: T): number {
    return this.store.commit({ compares: [], writes: [{ put: key, value: codec.encode(value) }] }).revision;
  }

  remove(...keys: readonly string[]): number {
    return this.store.commit({ compares: [], writes: keys.map((key) => ({ delete: key })) }).revision;
  }

  /** Node 1 and its presence, in one transaction, as it registers. */
  join(id: NodeId, hostname: string, second: number): void {
    const writes = [
      { put: layout.nodeRecord(id), value: nodeRecordCodec.encode(makeRecord(hostname, second)) },
      { put: layout.presence(id), value: presenceCodec.encode(up) },
    ];
    this.store.commit({ compares: [], writes });
  }

  stand(node: NodeId): string {
    const { id: lease } = this.store.grantLease(60_000);
    const key = layout.candidate(lease);
    const value = candidateCodec.encode({ node, nonce: 'n' });
    this.store.commit({ compares: [], writes: [{ put: key, value, lease }] });
    return key;
  }

  follow(start: EventStart, room = Infinity): Followed {
    return new Followed(this, start, room, this.#t);
  }

  /** All that history tells. */
  async tell(start: EventStart = 'oldest'): Promise<ClusterEvent[]> {
    const told: ClusterEvent[] = [];
    const sink: EventSink = { take: (events) => told.push(...events) > 0, untilRoom: () => Promise.resolve() };
    const view = { kv: this.kv, layout, clock: systemClock };
    await followEvents(view, { start, follow: false }, sink, new AbortController().signal);
    return told;
  }
}

/** A follower that has room for so many events of history until the test makes more. */
class Followed implements EventSink {
  readonly events: ClusterEvent[] = [];
  readonly ended: Promise<void>;
  waits = 0;
  #room: number;
  #wake = () => {};

  constructor(history: History, start: EventStart, room: number, t: TestContext) {
    this.#room = room;
    const stop = new AbortController();
    const view = { kv: history.kv, layout, clock: systemClock };
    this.ended = followEvents(view, { start, follow: true }, this, stop.signal);
    t.after(async () => {
      stop.abort();
      await this.ended.catch(() => undefined);
    });
  }

  take(events: readonly ClusterEvent[]): boolean {
    this.events.push(...events);
    return this.events.length < this.#room;
  }

  async untilRoom(signal: AbortSignal): Promise<void> {
    this.waits += 1;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  makeRoom(more: number): void {
    this.#room += more;
    this.#wake();
  }

  async await(count: number): Promise<ClusterEvent[]> {
    await eventually(`${count} events`, 5_000, () => {
      if (this.events.length >= count) return true;
      throw new Error(this.events.map(({ text }) => text).join('; '));
    });
    return this.events;
  }
}

const shown = (events: readonly ClusterEvent[]) => events.map(({ type, text }) => `${type}: ${text}`);

test('a workload tells what an operator did with it', async (t) => {
  const history = new History(t);
  const base: Workload = { ...makeWorkload({ replicas: 2 }), changedAt: at(1) };
  const versions: Workload[] = [
    base,
    { ...base, spec: 2 },
    { ...base, spec: 2, scale: { kind: 'replicas', replicas: 1 } },
    { ...base, spec: 2, scale: { kind: 'replicas', replicas: 1 }, desired: 'stop' },
    { ...base, spec: 2, scale: { kind: 'global' } },
    { ...base, spec: 2, scale: { kind: 'global' }, sticky: true, changedAt: at(2) },
    { ...base, spec: 2, scale: { kind: 'global' }, sticky: true, removing: true },
  ];
  for (const version of versions) history.put(layout.workload(web), workloadCodec, version);
  history.remove(layout.workload(web));
  const told = await history.tell();
  assert.deepEqual(shown(told), [
    'workload.applied: web applied, spec 1, 2 replicas',
    'workload.changed: web changed, spec 1 to 2',
    'workload.scaled: web scaled from 2 replicas to 1 replica',
    'workload.stopped: web is to stop',
    'workload.started: web is to run',
    'workload.scaled: web scaled from 1 replica to one on every matching node',
    'workload.changed: web changed: sticky',
    'workload.removing: web is to be removed',
    'workload.removed: web is removed',
  ]);
  assert.deepEqual(told.map(({ id }) => id).slice(3, 6), ['5', '6.0', '6']);
  assert.ok(told.every(({ workload, subject }) => workload === web && subject === 'web'));
});

test('an instance tells where it went, why it waits, and how it does', async (t) => {
  const history = new History(t);
  history.join(n1, 'node1', 1);
  history.join(n2, 'node2', 1);
  const placed = { at: at(2), to: n1, reason: 'new instance' };
  const moved = { at: at(9), from: n1, to: n2, reason: 'node1: draining' };
  const copies = [{ node: n1, role: 'current' as const }];
  const pending = { since: at(1), reason: 'none of 2 nodes fits', nodes: {} };
  history.put(layout.instance(web0), instanceCodec, { copies: [], moves: [], pending });
  history.put(layout.instance(web0), instanceCodec, {
    copies: [],
    moves: [],
    pending: { ...pending, nodes: { [n1]: 'x' } },
  });
  history.put(layout.instance(web0), instanceCodec, { copies, moves: [placed] });
  const status = (over: Partial<InstanceStatus>) => history.put(layout.status(n1, web0), statusCodec, makeStatus(over));
  status({});
  status({ phase: 'running', since: at(3), startedAt: at(3) });
  status({ phase: 'running', since: at(3), startedAt: at(3), healthy: true });
  status({ phase: 'running', since: at(3), startedAt: at(3), healthy: true, pid: 7 });
  status({ phase: 'running', since: at(3), startedAt: at(3), health: 'unhealthy', lastError: 'check failed' });
  status({ phase: 'failed', since: at(5), finishedAt: at(5), lastError: 'exit code 3' });
  history.put(layout.instance(web0), instanceCodec, { copies, moves: [placed, moved] });
  history.put(layout.instance(web0), instanceCodec, {
    copies,
    moves: [placed, moved, { at: at(10), from: n2, reason: 'x' }],
  });
  const told = (await history.tell()).filter(({ instance }) => instance === web0);
  assert.deepEqual(shown(told), [
    'instance.pending: web.0 waits: none of 2 nodes fits',
    'instance.placed: web.0 placed on node1: new instance',
    'instance.started: web.0 started on node1',
    'instance.healthy: web.0 is healthy on node1',
    'instance.unhealthy: web.0 is unhealthy on node1: check failed',
    'instance.failed: web.0 failed on node1: exit code 3',
    'instance.moved: web.0 moved from node1 to node2: node1: draining',
    'instance.left: web.0 left node2: x',
  ]);
  assert.deepEqual(
    told.map((event) => `${event.at.slice(17, 19)}${event.atIsAbout === true ? ' about' : ''}`),
    ['01', '02', '03', '03 about', '03 about', '05', '09', '10'],
    'what records no time is about as old as what was before it',
  );
  const move = told.find(({ type }) => type === 'instance.moved');
  assert.deepEqual(
    [move?.from, move?.to],
    [
      { id: n1, hostname: 'node1' },
      { id: n2, hostname: 'node2' },
    ],
  );
});

test('a node tells of itself, its operators and the leader’s verdict', async (t) => {
  const history = new History(t);
  history.join(n1, 'node1', 1);
  const presence = (over: Partial<Presence>) => history.put(layout.presence(n1), presenceCodec, { ...up, ...over });
  presence({ nonce: 'other' });
  presence({ state: 'away' });
  presence({});
  presence({ state: 'in-doubt', doubt: 'it was set back' });
  presence({});
  presence({ state: 'leaving' });
  history.remove(layout.presence(n1));
  presence({});
  history.remove(layout.presence(n1));
  history.put(layout.verdict(n1), nodeVerdictCodec, { lostSince: at(8) });
  const settings = { cordoned: true, draining: false, labels: {} };
  history.put(layout.nodeSettings(n1), nodeSettingsCodec, settings);
  const drain = { since: at(9), deadline: at(59) };
  history.put(layout.nodeSettings(n1), nodeSettingsCodec, { ...settings, draining: true, drain });
  history.put(layout.verdict(n1), nodeVerdictCodec, { lostSince: at(8), drainedSince: at(10) });
  history.put(layout.nodeSettings(n1), nodeSettingsCodec, { cordoned: false, draining: false, labels: { zone: 'b' } });
  const removal = { at: at(11) };
  history.put(layout.nodeSettings(n1), nodeSettingsCodec, {
    cordoned: false,
    draining: false,
    labels: { zone: 'b' },
    removal,
  });
  history.remove(layout.nodeRecord(n1), layout.nodeSettings(n1), layout.verdict(n1));
  const told = await history.tell();
  assert.deepEqual(shown(told), [
    'node.joined: node1 joined the cluster',
    'node.restarted: node1 goes on with a new agent',
    'node.away: node1 has its agent away: what runs there runs on',
    'node.back: node1 is back',
    'node.in-doubt: node1 doubts the store: it was set back',
    'node.back: node1 is back',
    'node.leaving: node1 is shutting down',
    'node.gone: node1 has shut down',
    'node.back: node1 is back',
    'node.gone: node1 is gone: its lease has ended',
    'node.lost: node1 is lost',
    'node.cordoned: node1 is cordoned: it gets no new work',
    `node.draining: node1 is to be drained, until ${at(59)}`,
    'node.drained: node1 is drained: nothing was seen on it any more',
    'node.uncordoned: node1 is uncordoned: it gets work again',
    'node.labelled: node1 has labels set: zone=b',
    'node.removing: node1 is to be forgotten: it is gone for good',
    'node.removed: node1 is forgotten',
  ]);
  assert.ok(told.every(({ node }) => node?.id === n1));
});

test('holds, a confirmed store and leaders are told, also of a history whose candidates are long gone', async (t) => {
  const history = new History(t);
  history.join(n1, 'node1', 1);
  history.join(n2, 'node2', 1);
  const first = history.stand(n1);
  const second = history.stand(n2);
  const settings = { layout: 1, ttlMs: 4_000, agentAwayMs: 4_000, epoch: 1 };
  history.put(layout.cluster, clusterSettingsCodec, settings);
  const begun = history.put(layout.cluster, clusterSettingsCodec, { ...settings, epoch: 2 });
  const hold = {
    kind: 'mass-loss',
    since: at(4),
    until: at(40),
    reason: '2 of 3 nodes vanished',
    nodes: [n1, n2],
  } as const;
  history.put(layout.hold('mass-loss'), holdCodec, hold);
  const ended = { at: at(6), reason: 'all of its nodes are back' };
  history.put(layout.hold('mass-loss'), holdCodec, { ...hold, ended });
  const third = history.stand(n1);
  history.remove(second); // never led: no news
  history.remove(first);
  history.remove(third);
  const expected = [
    `hold.begun: nothing of 2 nodes is replaced until ${at(40)}: 2 of 3 nodes vanished`,
    'hold.ended: the hold has ended: all of its nodes are back',
    'leader.changed: node1 leads, after node1, term 10',
    'leader.changed: nobody leads',
  ];
  assert.deepEqual(shown(await history.tell({ after: begun })), expected);
  const all = shown(await history.tell());
  assert.deepEqual(all.slice(2), [
    'leader.changed: node1 leads, term 4',
    'store.confirmed: an operator has confirmed the store, from epoch 2 on',
    ...expected,
  ]);
});

test('a follower is told what happens from where it began, none twice, none lost while the store is away', async (t) => {
  const history = new History(t);
  history.join(n1, 'node1', 1);
  const live = history.follow('present');
  await eventually('the watch', 5_000, () => (history.kv.calls.get('watch') ?? 0) > 0);
  history.put(layout.workload(web), workloadCodec, makeWorkload());
  await live.await(1);
  history.store.stop();
  history.store.start();
  history.put(layout.workload(web), workloadCodec, makeWorkload({ spec: 2 }));
  assert.deepEqual(shown(await live.await(2)), [
    'workload.applied: web applied, spec 1, 1 replica',
    'workload.changed: web changed, spec 1 to 2',
  ]);
  const [first] = live.events;
  const again = history.follow({ after: first?.revision ?? 0 });
  assert.deepEqual(shown(await again.await(1)), ['workload.changed: web changed, spec 1 to 2']);
});

test('who goes on in the middle of one revision gets the rest of it', async (t) => {
  const history = new History(t);
  history.put(layout.workload(web), workloadCodec, makeWorkload({ desired: 'stop' }));
  const revision = history.put(layout.workload(web), workloadCodec, makeWorkload({ spec: 2, replicas: 3 }));
  const all = await history.tell();
  assert.deepEqual(
    all.map(({ id }) => id),
    [String(revision - 1), `${revision}.0`, `${revision}.1`, String(revision)],
  );
  const rest = await history.tell({ after: revision - 1, skip: 1 });
  assert.deepEqual(
    rest.map(({ type }) => type),
    ['workload.changed', 'workload.scaled'],
  );
});

test('a compacted revision is answered by an event that says what is lost, then by all that is kept', async (t) => {
  const history = new History(t);
  for (let spec = 1; spec <= 10; spec += 1) history.put(layout.workload(web), workloadCodec, makeWorkload({ spec }));
  history.store.compact(8);
  const told = await history.tell({ after: 3 });
  assert.deepEqual(told[0]?.lost, { why: 'compacted', count: 4, after: 3, until: 7 });
  assert.deepEqual(shown(told.slice(1)), [
    'workload.changed: web changed',
    'workload.changed: web changed, spec 7 to 8',
    'workload.changed: web changed, spec 8 to 9',
    'workload.changed: web changed, spec 9 to 10',
  ]);
  assert.equal((await history.tell()).length, 4, 'who asks for all that there is has lost nothing');
});

test('history waits in the store for a follower that has no room', async (t) => {
  const history = new History(t);
  for (let spec = 1; spec <= 100; spec += 1) history.put(layout.workload(web), workloadCodec, makeWorkload({ spec }));
  const slow = history.follow('oldest', 10);
  await eventually('the follower to have enough', 5_000, () => slow.waits === 1);
  for (let spec = 101; spec <= 200; spec += 1) history.put(layout.workload(web), workloadCodec, makeWorkload({ spec }));
  assert.equal(slow.events.length, 100, 'one batch, and nothing that came later');
  slow.makeRoom(1_000);
  const told = await slow.await(200);
  assert.deepEqual(
    told.map(({ spec }) => spec),
    Array.from({ length: 200 }, (_none, at) => at + 1),
  );
});

test('what is no value of ours tells nothing and stops nothing', async (t) => {
  const history = new History(t);
  const garbage = ['{', '{"v":9}', 'null'];
  const keys = [
    layout.nodeRecord(n1),
    layout.presence(n1),
    layout.workload(web),
    layout.instance(web0),
    layout.cluster,
  ];
  for (const value of garbage) {
    const writes = [...keys, `${layout.nodes}x/y/z`, `${layout.election}9`, `${layout.statuses}q`].map((put) => ({
      put,
      value,
    }));
    history.store.commit({ compares: [], writes });
  }
  history.put(layout.workload('other' as WorkloadName), workloadCodec, makeWorkload());
  assert.deepEqual(shown(await history.tell()), ['workload.applied: other applied, spec 1, 1 replica']);
});
