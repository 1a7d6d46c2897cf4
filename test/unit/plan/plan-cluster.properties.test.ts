import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { matchesGlob } from '../../../src/domain/glob.ts';
import { type InstanceKey, type NodeId, splitInstanceKey, type WorkloadName } from '../../../src/domain/ids.ts';
import { displayName } from '../../../src/domain/names.ts';
import type { ClusterView } from '../../../src/plan/cluster-view.ts';
import { planCluster } from '../../../src/plan/plan-cluster.ts';
import type { Step } from '../../../src/plan/plan-cluster-step.ts';
import { nodeId, type WorkloadOptions, World } from './plan-cluster-world.ts';

/** What never changes of a workload of that name: so that what is placed once never breaks a rule afterwards. */
const traits: Record<string, WorkloadOptions> = {
  web: { replicas: 3 },
  db: { replicas: 1, mode: 'stop' },
  queue: { replicas: 2, mode: 'stop', moveOrder: 'stop-first' },
  solo: { replicas: 3, placement: { conflicts: ['solo.*'] } },
  shy: { replicas: 2, placement: { conflicts: ['web.0', 'db.?'] } },
  port: { replicas: 3, needs: { ports: [{ port: 80, protocol: 'tcp' }] }, moveOrder: 'stop-first' },
  big: { replicas: 4, needs: { memoryBytes: 400 } },
  near: { replicas: 1, placement: { machineOf: ['web.1'] } },
  zoned: { replicas: 2, placement: { labels: [{ key: 'disk', values: ['ssd'] }] } },
  data: { replicas: 1, sticky: true, needs: { volumes: ['v'] }, moveOrder: 'stop-first' },
  all: { global: true },
};
const names = Object.keys(traits);

type Op = (world: World) => unknown;
const thoughts = new WeakMap<World, readonly Step[]>();
const nodes = ['a', 'b', 'c', 'd'].map(nodeId);
const anyNode = fc.constantFrom(...nodes);
const setting = (change: Parameters<World['setSettings']>[1]) =>
  anyNode.map(
    (id): Op =>
      (w) =>
        w.setSettings(id, change),
  );

function changeWorkload(name: string, over: WorkloadOptions): Op {
  return (world) => {
    const had = world.workloads.get(name as WorkloadName)?.value;
    if (had?.removing === true) return;
    world.setWorkload(name, { ...traits[name], spec: had?.spec ?? 1, ...over });
  };
}

const writeAll: Op = (w) => w.plan().steps.every((step) => w.apply(step));
const obeyAll: Op = (w) => nodes.map((id) => w.obey(id));

const anyOp: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.nat(8).map(
      (k): Op =>
        (w) =>
          w
            .plan()
            .steps.slice(0, k)
            .every((step) => w.apply(step)),
    ),
  },
  { weight: 6, arbitrary: fc.constant<Op>(writeAll) },
  // A leader that thinks now and writes much later: its guards have to hold.
  { weight: 4, arbitrary: fc.constant<Op>((w) => thoughts.set(w, w.plan().steps)) },
  {
    weight: 4,
    arbitrary: fc.nat(8).map(
      (k): Op =>
        (w) =>
          thoughts
            .get(w)
            ?.slice(0, k)
            .every((step) => w.apply(step)),
    ),
  },
  {
    weight: 8,
    arbitrary: anyNode.map(
      (id): Op =>
        (w) =>
          w.obey(id),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(anyNode, fc.constantFrom(...names)).map(
      ([id, name]): Op =>
        (w) =>
          w.obey(id, (key) => key.startsWith(`${name}/`)),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(300, 1_100, 5_000, 12_000).map(
      (ms): Op =>
        (w) =>
          w.advance(ms),
    ),
  },
  {
    weight: 3,
    arbitrary: anyNode.map(
      (id): Op =>
        (w) =>
          w.lose(id),
    ),
  },
  {
    weight: 1,
    arbitrary: anyNode.map(
      (id): Op =>
        (w) =>
          powerOff(w, id),
    ),
  },
  {
    weight: 1,
    arbitrary: anyNode.map(
      (id): Op =>
        (w) =>
          w.presences.has(id) && w.setPresence(id, 'leaving'),
    ),
  },
  {
    weight: 4,
    arbitrary: anyNode.map(
      (id): Op =>
        (w) =>
          w.setPresence(id, 'up'),
    ),
  },
  { weight: 4, arbitrary: fc.constantFrom(...names).map((name) => changeWorkload(name, {})) },
  { weight: 1, arbitrary: fc.constantFrom(...names).map((name) => changeWorkload(name, { desired: 'stop' })) },
  { weight: 1, arbitrary: fc.constantFrom(...names).map((name) => changeWorkload(name, { removing: true })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...names), fc.integer({ min: 2, max: 4 }))
      .map(([name, spec]) => changeWorkload(name, { spec })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('web', 'queue', 'big'), fc.nat(4))
      .map(([name, replicas]) => changeWorkload(name, { replicas })),
  },
  setting({ draining: true }),
  setting({ draining: false }),
  setting({ cordoned: true }),
  setting({ cordoned: false }),
  setting({ labels: { disk: 'ssd' } }),
  setting({ labels: {} }),
);

/** What endangers `stop` instances: cut-offs, returns and writes at the worst moment, with little else in between. */
const anyStopOp: fc.Arbitrary<Op> = fc.oneof(
  { weight: 6, arbitrary: fc.constant(named('write and obey', (w) => [writeAll, obeyAll].map((op) => op(w)))) },
  { weight: 3, arbitrary: fc.constant(named('obey', obeyAll)) },
  { weight: 3, arbitrary: anyNode.map((id) => named(`obey ${id}`, (w) => w.obey(id))) },
  { weight: 3, arbitrary: fc.constant(named('think', (w) => thoughts.set(w, w.plan().steps))) },
  {
    weight: 3,
    arbitrary: fc.constant(named('write thoughts', (w) => thoughts.get(w)?.every((step) => w.apply(step)))),
  },
  { weight: 4, arbitrary: anyNode.map((id) => named(`lose ${id}`, (w) => w.lose(id))) },
  { weight: 4, arbitrary: anyNode.map((id) => named(`up ${id}`, (w) => w.setPresence(id, 'up'))) },
  {
    weight: 1,
    arbitrary: anyNode.map((id) => named(`leaving ${id}`, (w) => w.presences.has(id) && w.setPresence(id, 'leaving'))),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(1_500, 7_000, 11_000).map((ms) => named(`advance ${ms}`, (w) => w.advance(ms))),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('run', 'stop').map((desired) => named(desired, changeWorkload('queue', { desired }))),
  },
  {
    weight: 1,
    arbitrary: fc.nat(3).map((replicas) => named(`scale ${replicas}`, changeWorkload('queue', { replicas }))),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(anyNode, fc.boolean())
      .map(([id, draining]) => named(`draining ${id} ${draining}`, (w) => w.setSettings(id, { draining }))),
  },
  // A foreign hand takes an order away: what runs is an orphan from then on.
  {
    weight: 1,
    arbitrary: anyNode.map((id) =>
      named(`unassign ${id}`, (w) => ['queue/0', 'db/0'].some((key) => w.assignments.delete(`${id} ${key}`))),
    ),
  },
);

/** So that a counterexample can be read. */
function named(name: string, op: Op): Op {
  return Object.assign((world: World) => op(world), { [fc.toStringMethod]: () => name });
}

function makeWorld(): World {
  const world = new World();
  world.addNode('a', { labels: { disk: 'ssd', zone: 'x' } });
  world.addNode('b', { labels: { zone: 'x' } });
  world.addNode('c', { labels: { disk: 'ssd', zone: 'y' } });
  world.addNode('d', { labels: { zone: 'z' }, memoryBytes: 500 });
  for (const name of ['web', 'db', 'all']) world.setWorkload(name, traits[name]);
  return world;
}

function powerOff(world: World, id: NodeId): void {
  world.lose(id);
  for (const at of world.processes.keys()) if (at.startsWith(id)) world.processes.delete(at);
}

/** The rules that no step may break, whenever one looks. */
function checkSafe(world: World): void {
  const running = new Map<InstanceKey, NodeId[]>();
  for (const at of world.processes.keys()) {
    const [node, key] = at.split(' ') as [NodeId, InstanceKey];
    running.set(key, [...(running.get(key) ?? []), node]);
  }
  for (const [key, on] of running) {
    const mode = traits[splitInstanceKey(key).workload]?.mode ?? 'keep';
    assert.ok(mode === 'keep' || on.length === 1, `${key} runs on ${on.length} nodes at once`);
  }
  for (const [key, { value }] of world.instances) {
    assert.ok(value.copies.filter(({ role }) => role === 'current').length <= 1, `${key} has two current copies`);
  }
  checkOrders(world);
  for (const node of world.records.keys()) checkNode(world, node);
}

function checkOrders(world: World): void {
  const runs = new Map<string, NodeId[]>();
  for (const [at, { value }] of world.assignments) {
    const [node, key] = at.split(' ') as [NodeId, string];
    if (value.order === 'run' && value.disconnect === 'stop') runs.set(key, [...(runs.get(key) ?? []), node]);
  }
  for (const [key, on] of runs) assert.equal(on.length, 1, `${key} is ordered to run on ${on.length} nodes`);
}

function checkNode(world: World, node: NodeId): void {
  const here = [...world.assignments.keys()].flatMap((at) =>
    at.startsWith(node) ? [at.split(' ')[1] as InstanceKey] : [],
  );
  const memory = here.reduce((sum, key) => sum + (traits[splitInstanceKey(key).workload]?.needs?.memoryBytes ?? 0), 0);
  assert.ok(memory <= (world.records.get(node)?.capacity.memoryBytes ?? 0), `${memory} reserved on ${node}`);
  assert.ok(here.filter((key) => key.startsWith('port/')).length <= 1, `port 80 is taken twice on ${node}`);
  for (const key of here) {
    for (const glob of traits[splitInstanceKey(key).workload]?.placement?.conflicts ?? []) {
      const hit = here.find((other) => other !== key && matchesGlob(glob, displayName(other)));
      assert.equal(hit, undefined, `${key} shares ${node} with ${hit}`);
    }
  }
}

function play(world: World, ops: readonly Op[]): void {
  for (const op of ops) {
    op(world);
    checkSafe(world);
  }
}

const anyPast = fc.array(anyOp, { maxLength: 40 });
const runs = (numRuns: number) => ({ numRuns, seed: 20_260_101 });

test('planCluster() breaks no rule in whatever order nodes, operators and the leader act', () => {
  fc.assert(
    fc.property(anyPast, (ops) => play(makeWorld(), ops)),
    runs(400),
  );
});

test('planCluster() never lets a stop instance run twice, whoever is cut off or comes back, and whenever the leader writes', () => {
  fc.assert(
    fc.property(fc.array(anyStopOp, { maxLength: 60 }), (ops) => {
      const world = makeWorld();
      for (const name of ['db', 'queue']) world.setWorkload(name, traits[name]);
      world.converge();
      play(world, ops);
    }),
    runs(400),
  );
});

test('planCluster() brings any past to what is desired, and then plans nothing', () => {
  fc.assert(
    fc.property(anyPast, (ops) => {
      const world = makeWorld();
      play(world, ops);
      world.converge();
      assert.deepEqual(world.plan().steps, []);
      checkSafe(world);
      checkDesired(world);
    }),
    runs(200),
  );
});

test('planCluster() does not depend on the order of its input, and leaves it as it was', () => {
  fc.assert(
    fc.property(anyPast, (ops) => {
      const world = makeWorld();
      play(world, ops);
      const view = world.view();
      const before = drawn(view);
      const plan = planCluster(view, 'all');
      assert.equal(drawn(view), before);
      assert.deepEqual(planCluster(reversed(view), 'all'), plan);
    }),
    runs(150),
  );
});

test('planCluster() plans for some workloads what it would plan for all, once the others are as desired', () => {
  fc.assert(
    fc.property(anyPast, fc.constantFrom('web', 'db', 'zoned'), (ops, name) => {
      const world = makeWorld();
      play(world, ops);
      world.converge();
      changeWorkload(name, { spec: 9 })(world);
      const all = planCluster(world.view(), 'all');
      const followers = new Set([name, 'near'] as WorkloadName[]);
      assert.deepEqual(
        planCluster(world.view(), followers).steps.filter(({ workload }) => workload === name),
        all.steps.filter(({ workload }) => workload === name),
      );
      assert.deepEqual(
        all.steps.filter(
          ({ workload, action }) => workload !== name && action !== 'wait' && !isPending(world, workload),
        ),
        [],
      );
    }),
    runs(60),
  );
});

function isPending(world: World, workload: WorkloadName): boolean {
  return [...world.instances].some(([key, { value }]) => key.startsWith(`${workload}/`) && value.pending !== undefined);
}

/** Everything wanted runs once, where it may, or waits with a reason; nothing else runs where an agent can be told. */
function checkDesired(world: World): void {
  const up = nodes.filter(
    (id) => world.presences.get(id)?.value.state === 'up' && world.settings.get(id)?.draining !== true,
  );
  for (const [name, { value }] of world.workloads) {
    const wanted =
      value.desired === 'run' && value.removing !== true && value.scale.kind === 'replicas' ? value.scale.replicas : 0;
    for (let slot = 0; slot < wanted; slot += 1) {
      const key = `${name}/${slot}` as InstanceKey;
      const record = world.instances.get(key)?.value;
      const current = record?.copies.find(({ role }) => role === 'current')?.node;
      assert.ok(current !== undefined || record?.pending !== undefined, `${key} neither runs nor waits`);
      const isAlone = name === 'queue' || (name === 'web' && !world.workloads.has('shy' as WorkloadName));
      const isFree = isAlone && up.some((id) => world.settings.get(id)?.cordoned !== true);
      if (isFree) assert.ok(current !== undefined && up.includes(current), `${key} is not on a node that is up`);
      if (current !== undefined && world.presences.get(current)?.value.state === 'up') {
        assert.equal(world.processes.get(`${current} ${key}`)?.spec, value.spec, `${key} runs another spec`);
      }
    }
  }
  for (const at of world.processes.keys()) {
    const [node, key] = at.split(' ') as [NodeId, InstanceKey];
    if (world.presences.get(node)?.value.state !== 'up') continue;
    const workload = world.workloads.get(splitInstanceKey(key).workload)?.value;
    assert.ok(workload?.desired === 'run' && workload.removing !== true, `${key} runs on ${node} unwanted`);
  }
}

/** All of a view as text, its maps in their order. */
function drawn(view: ClusterView): string {
  return JSON.stringify(view, (_key, value: unknown) => {
    if (value instanceof Map) return [...value];
    return value instanceof Set ? [...value] : value;
  });
}

/** The same view, all its maps the other way round. */
function reversed(view: ClusterView): ClusterView {
  const turn = <K, V>(map: ReadonlyMap<K, V>, each: (value: V) => V = (value) => value): Map<K, V> =>
    new Map([...map].reverse().map(([key, value]) => [key, each(value)]));
  return {
    nowIso: view.nowIso,
    nodes: turn(view.nodes, (node) => ({ ...node, copies: turn(node.copies) })),
    workloads: turn(view.workloads, (workload) => ({
      ...workload,
      instances: turn(workload.instances, (instance) => ({ ...instance, copies: turn(instance.copies) })),
    })),
  };
}
