import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  assignmentCodec,
  instanceCodec,
  nodeRecordCodec,
  nodeSettingsCodec,
  presenceCodec,
  statusCodec,
  workloadCodec,
} from '../../../src/cluster/codecs.ts';
import type { InstanceKey, NodeId } from '../../../src/domain/ids.ts';
import type { KeyValue } from '../../../src/etcd/port.ts';
import { ClusterState } from '../../../src/leader/cluster-state.ts';
import { LossClock } from '../../../src/leader/loss-clock.ts';
import type { ClusterView } from '../../../src/plan/cluster-view.ts';
import { planCluster } from '../../../src/plan/plan-cluster.ts';
import { nodeId, TTL_MS, type WorkloadOptions, World } from '../plan/plan-cluster-world.ts';
import { layout } from './leader-fixture.ts';

/** What the store would hold of a model world. */
function entriesOf(world: World): Map<string, KeyValue> {
  const entries = new Map<string, KeyValue>();
  const put = (key: string, value: string, modRevision: number) =>
    entries.set(key, { key, value, modRevision, createRevision: 1, lease: '0' });
  const parts = (at: string) => at.split(' ') as [NodeId, InstanceKey];
  for (const [id, record] of world.records) put(layout.nodeRecord(id), nodeRecordCodec.encode(record), 1);
  for (const [id, settings] of world.settings) put(layout.nodeSettings(id), nodeSettingsCodec.encode(settings), 1);
  for (const [id, { value, revision }] of world.presences)
    put(layout.presence(id), presenceCodec.encode(value), revision);
  for (const [name, { value, revision }] of world.workloads)
    put(layout.workload(name), workloadCodec.encode(value), revision);
  for (const [key, { value, revision }] of world.instances)
    put(layout.instance(key), instanceCodec.encode(value), revision);
  for (const [at, { value, revision }] of world.assignments)
    put(layout.assignment(...parts(at)), assignmentCodec.encode(value), revision);
  for (const [at, { value, revision }] of world.statuses)
    put(layout.status(...parts(at)), statusCodec.encode(value), revision);
  return entries;
}

function makeState(lossClock: LossClock): ClusterState {
  return new ClusterState({
    layout,
    ttlMs: TTL_MS,
    lossClock,
    onUnreadable: (key, error) => assert.fail(`${key}: ${String(error)}`),
  });
}

/** A state that follows a model world key by key, and beside it one that is read afresh each time. */
class Follower {
  readonly world: World;
  readonly #lossClock = new LossClock({ ttlMs: TTL_MS, termBeganMs: -TTL_MS, predecessor: undefined });
  readonly #state = makeState(this.#lossClock);
  #entries = new Map<string, KeyValue>();

  constructor(world: World) {
    this.world = world;
    this.#state.absorb(this.#entries, 'all', world.nowMs);
  }

  /** What the leader plans on the changes since the last look, and what it would plan on everything. */
  plans() {
    const entries = entriesOf(this.world);
    const changed = new Set(
      [...entries.keys(), ...this.#entries.keys()].filter((key) => !isSame(entries.get(key), this.#entries.get(key))),
    );
    this.#entries = entries;
    this.#state.absorb(entries, changed, this.world.nowMs);
    const afresh = makeState(this.#lossClock);
    afresh.absorb(entries, 'all', this.world.nowMs);
    const iso = new Date(this.world.nowMs).toISOString();
    const [view, whole] = [this.#state.view(this.world.nowMs, iso), afresh.view(this.world.nowMs, iso)];
    assert.deepEqual(drawn(view), drawn(whole));
    return { some: planCluster(view, this.#state.takeDirty()).steps, all: planCluster(whole, 'all').steps };
  }

  /** Applies what the changes ask for until that is nothing. */
  converge(): void {
    for (let round = 0; round < 200; round += 1) {
      const before = this.world.revision;
      for (const step of this.plans().some) assert.ok(this.world.apply(step));
      for (const id of this.world.records.keys()) this.world.obey(id);
      if (before === this.world.revision) return;
    }
    assert.fail('it does not converge');
  }
}

function isSame(a: KeyValue | undefined, b: KeyValue | undefined): boolean {
  return a?.modRevision === b?.modRevision && a?.value === b?.value;
}

/** All of a view that a plan can depend on, in one order. */
function drawn(view: ClusterView): unknown {
  const nodes = [...view.nodes.values()].filter(
    ({ copies, record, presence }) => copies.size > 0 || record !== undefined || presence !== undefined,
  );
  const draw = (_key: string, value: unknown) =>
    value instanceof Map
      ? [...value].sort(([x], [y]) => (x < y ? -1 : 1))
      : value instanceof Set
        ? [...value].map(String).sort((x, y) => (x < y ? -1 : 1))
        : value;
  const plain = nodes.map((node) => ({
    id: node.id,
    record: node.record,
    presence: node.presence,
    labels: node.labels,
    settings: node.settings,
    absentForMs: node.absentForMs,
    copies: node.copies,
  }));
  return JSON.parse(
    JSON.stringify({ nodes: plain.sort((x, y) => (x.id < y.id ? -1 : 1)), workloads: view.workloads }, draw),
  );
}

const nodes = ['a', 'b', 'c'].map(nodeId);
const workloads: Record<string, WorkloadOptions> = {
  web: { replicas: 3 },
  db: { mode: 'stop' },
  shy: { replicas: 2, placement: { conflicts: ['web.0'] } },
  near: { placement: { machineOf: ['web.1'] } },
  port: { replicas: 2, needs: { ports: [{ port: 80, protocol: 'tcp' }] } },
  big: { replicas: 3, needs: { memoryBytes: 600 } },
  push: { placement: { replaces: ['port.*'] } },
  all: { global: true },
};

type Op = (world: World) => void;
const anyNode = fc.constantFrom(...nodes);
const anyOp: fc.Arbitrary<Op> = fc.oneof(
  anyNode.map(
    (id): Op =>
      (w) =>
        w.lose(id),
  ),
  anyNode.map(
    (id): Op =>
      (w) =>
        w.setPresence(id, 'up'),
  ),
  anyNode.map(
    (id): Op =>
      (w) =>
        w.presences.has(id) && w.setPresence(id, 'leaving'),
  ),
  fc.tuple(anyNode, fc.boolean(), fc.boolean()).map(
    ([id, cordoned, draining]): Op =>
      (w) =>
        w.setSettings(id, { cordoned, draining }),
  ),
  fc.constantFrom(900, 1_000, 1.1 * TTL_MS).map(
    (ms): Op =>
      (w) =>
        w.advance(ms),
  ),
  fc
    .tuple(
      fc.constantFrom(...Object.keys(workloads)),
      fc.constantFrom<WorkloadOptions>({}, { spec: 2 }, { desired: 'stop' }, { removing: true }, { replicas: 1 }),
    )
    .map(
      ([name, over]): Op =>
        (w) =>
          w.setWorkload(name, { ...workloads[name], ...over }),
    ),
);

test('ClusterState marks every workload dirty for which a change brings anything to do', () => {
  fc.assert(
    fc.property(fc.array(anyOp, { maxLength: 15 }), (ops) => {
      const world = new World();
      for (const name of ['a', 'b', 'c']) world.addNode(name);
      const follower = new Follower(world);
      for (const op of ops) {
        op(world);
        const { some, all } = follower.plans();
        assert.deepEqual(some, all);
        for (const step of some) assert.ok(world.apply(step));
        follower.converge();
      }
    }),
    { numRuns: 150, seed: 20_260_101 },
  );
});

test('ClusterState forgets a workload of which nothing is left', () => {
  const world = new World();
  const a = world.addNode('a');
  world.setWorkload('web');
  world.settleOn(a, 'web/0');
  const state = makeState(new LossClock({ ttlMs: TTL_MS, termBeganMs: 0, predecessor: undefined }));
  const entries = entriesOf(world);
  state.absorb(entries, 'all', 0);
  const gone = [...entries.keys()].filter((key) => key.includes('web'));
  assert.equal(gone.length, 4);
  state.absorb(new Map([...entries].filter(([key]) => !gone.includes(key))), new Set(gone), 0);
  const { workloads: left, nodes: known } = state.view(0, '');
  assert.deepEqual([left.size, known.get(a)?.copies.size], [0, 0]);
});

const unknown = 'f'.repeat(32);
const huge = 'x'.repeat(1_400_000);
/** Below the cluster's root: what anyone may have put there, by mistake or to do harm. */
const hostile: readonly (readonly [key: string, value: string])[] = [
  ['workloads/broken', 'not JSON'],
  ['workloads/binary', '\u0000\ufffd\ufffd\u0007'],
  ['workloads/huge', huge],
  ['workloads/../../etc/passwd', '{}'],
  ['workloads/new\nline', '{}'],
  ['workloads/', '{}'],
  ['workloads/later', '{"v":99}'],
  ['instances/web/../../etc/passwd', '{}'],
  ['instances/web', '{}'],
  ['instances/web/7', 'null'],
  [`instances/web/${'9'.repeat(4_000)}`, '{}'],
  ['instances/nowhere/0', '{"v":1,"copies":"none","moves":[]}'],
  [`assignments/${unknown}/web/8`, '[]'],
  ['assignments/../web/0', '{}'],
  [`assignments/${'A'.repeat(32)}/web/0`, '{}'],
  [`assignments/${nodes[0]}/ghost/0`, '{"v":1,"order":"explode"}'],
  [`assignments/${nodes[0]}/../../passwd/0`, '{}'],
  [`status/${nodes[0]}/ghost/0`, huge],
  [`status/${nodes[0]}/ghost/\u001b[2J`, '{}'],
  ['status/web', '{}'],
  [`nodes/${unknown}/record`, '{"v":1,"machineId":5}'],
  [`nodes/${unknown}/presence`, '"here"'],
  [`nodes/${unknown}/settings`, '1e999'],
  [`nodes/${unknown}/verdict`, '}'],
  ['nodes/../presence', '{}'],
  [`nodes/${unknown}/colour`, '{}'],
];

test('ClusterState names each key that it cannot read, plans as if none were there, and keeps nothing of them', () => {
  const world = new World();
  for (const name of ['a', 'b', 'c']) world.addNode(name);
  for (const [name, options] of Object.entries(workloads)) world.setWorkload(name, options);
  const reported = new Set<string>();
  const state = new ClusterState({
    layout,
    ttlMs: TTL_MS,
    lossClock: new LossClock({ ttlMs: TTL_MS, termBeganMs: -TTL_MS, predecessor: undefined }),
    onUnreadable: (key) => reported.add(key),
  });
  const clean = entriesOf(world);
  const before = JSON.stringify([...clean]);
  const iso = new Date(world.nowMs).toISOString();
  state.absorb(clean, 'all', world.nowMs);
  // Where it goes may differ: an order that can't be read is still somebody's order there.
  const planned = (view: ClusterView) =>
    planCluster(view, 'all').steps.map((step) => `${step.action} ${step.instance}`);
  const expected = planned(state.view(world.nowMs, iso));
  assert.ok(expected.length > 10);
  const spoilt = new Map(clean);
  for (const [path, value] of hostile) {
    const key = `${layout.root}${path}`;
    spoilt.set(key, { key, value, createRevision: 1, modRevision: 9, lease: '0' });
  }
  const keys = new Set(hostile.map(([path]) => `${layout.root}${path}`));
  for (const changed of [keys, 'all'] as const) {
    reported.clear();
    state.absorb(spoilt, changed, world.nowMs);
    assert.deepEqual(
      [...keys].filter((key) => !reported.has(key) && !key.endsWith('/verdict')),
      [],
    );
    const view = state.view(world.nowMs, iso);
    assert.deepEqual(planned(view), expected);
    const presences = [...view.nodes.values()].map(({ presence }) => presence?.value.state);
    assert.ok(!presences.includes('in-doubt'), 'text in the store makes nobody doubt the store');
  }
  state.absorb(clean, keys, world.nowMs);
  assert.deepEqual([...state.view(world.nowMs, iso).workloads.keys()].sort(), Object.keys(workloads).sort());
  assert.deepEqual(planned(state.view(world.nowMs, iso)), expected);
  assert.equal(JSON.stringify([...clean]), before);
});

test('ClusterState knows each node once after it has read all anew, whatever had changed by time alone', () => {
  const lossClock = new LossClock({ ttlMs: TTL_MS, termBeganMs: 0, predecessor: undefined });
  const state = new ClusterState({ layout, ttlMs: TTL_MS, lossClock, onUnreadable: assert.fail });
  const world = new World();
  const id = world.addNode('a');
  state.absorb(entriesOf(world), 'all', 0);
  world.lose(id);
  state.absorb(entriesOf(world), 'all', 1);
  state.view(2 * TTL_MS, new Date(world.nowMs).toISOString()); // its loss comes of age
  state.absorb(entriesOf(world), 'all', 2 * TTL_MS);
  assert.equal(state.attendance.absent.size, 1);
});
