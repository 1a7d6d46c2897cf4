import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type InstanceKey, type NodeId, splitInstanceKey, type WorkloadName } from '../../../src/domain/ids.ts';
import type { Step } from '../../../src/plan/plan-cluster-step.ts';
import { nodeId, type WorkloadOptions, World } from './plan-cluster-world.ts';

const reschedule = { afterRestarts: 1, delayMs: 2_000, maxDelayMs: 8_000 };
const traits: Record<string, WorkloadOptions> = {
  plain: { replicas: 1 },
  back: { replicas: 2, onReturn: 'keep-original', reschedule },
  long: { replicas: 1, onReturn: 'longest-running', offlineStart: true },
  slow: { replicas: 1, replaceAfterMs: 5_000, onReturn: 'keep-original', reschedule },
  turns: { replicas: 1, moveOrder: 'stop-first', reschedule },
  strict: { replicas: 2, mode: 'stop', replaceAfterMs: 3_000, reschedule },
};
const names = Object.keys(traits);
const keys = names.flatMap((name) =>
  Array.from({ length: traits[name]?.replicas ?? 1 }, (_none, slot) => `${name}/${slot}` as InstanceKey),
);
const nodes = ['a', 'b', 'c', 'd'].map(nodeId);

type Op = (world: World) => unknown;
/** So that a counterexample can be read. */
const named = (name: string, op: Op): Op =>
  Object.assign((world: World) => op(world), { [fc.toStringMethod]: () => name });
const thoughts = new WeakMap<World, readonly Step[]>();
const anyNode = fc.constantFrom(...nodes);
const anyPlace = fc.tuple(anyNode, fc.constantFrom(...keys)).map(([node, key]) => `${node} ${key}`);

const toggle = (name: string, set: (world: World) => Set<string>) =>
  anyPlace.map((at) =>
    named(`${name} ${at}`, (world) => {
      if (!set(world).delete(at)) set(world).add(at);
    }),
  );
const writeAll: Op = (world) => apply(world, world.plan().steps);
const obeyAll: Op = (world) => nodes.map((id) => world.obey(id));

const anyOp: fc.Arbitrary<Op> = fc.oneof(
  { weight: 8, arbitrary: fc.constant(named('write and obey', (w) => [writeAll, obeyAll].map((op) => op(w)))) },
  { weight: 3, arbitrary: fc.constant(named('write', writeAll)) },
  { weight: 2, arbitrary: fc.nat(3).map((k) => named(`write ${k}`, (w) => apply(w, w.plan().steps.slice(0, k)))) },
  { weight: 3, arbitrary: anyNode.map((id) => named(`obey ${id}`, (w) => w.obey(id))) },
  { weight: 2, arbitrary: fc.constant(named('think', (w) => thoughts.set(w, w.plan().steps))) },
  { weight: 2, arbitrary: fc.constant(named('write thoughts', (w) => apply(w, thoughts.get(w) ?? []))) },
  { weight: 4, arbitrary: anyNode.map((id) => named(`lose ${id}`, (w) => w.lose(id))) },
  { weight: 5, arbitrary: anyNode.map((id) => named(`up ${id}`, (w) => w.setPresence(id, 'up'))) },
  {
    weight: 1,
    arbitrary: anyNode.map((id) => named(`leaving ${id}`, (w) => w.presences.has(id) && w.setPresence(id, 'leaving'))),
  },
  { weight: 1, arbitrary: anyNode.map((id) => named(`power off ${id}`, (w) => powerOff(w, id))) },
  // The ways to two copies, of which not every one is well.
  {
    weight: 4,
    arbitrary: anyNode.map((id) =>
      named(`replace what is on ${id}`, (w) => {
        w.lose(id);
        w.advance(12_000);
        writeAll(w);
      }),
    ),
  },
  { weight: 4, arbitrary: anyNode.map((id) => named(`back ${id}`, (w) => [w.setPresence(id, 'up'), w.obey(id)])) },
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom(...keys), fc.boolean()).map(([key, fails]) =>
      named(`${key} ${fails ? 'fails' : 'is sick'} where it counts`, (w) => {
        const node = w.instances.get(key)?.value.copies.find(({ role }) => role === 'current')?.node;
        if (node !== undefined) (fails ? w.failsOn : w.sickOn).add(`${node} ${key}`);
      }),
    ),
  },
  { weight: 1, arbitrary: fc.constant(named('all is well', (w) => [w.failsOn, w.sickOn].map((set) => set.clear()))) },
  { weight: 1, arbitrary: fc.constant(named('another leader', (w) => w.changeLeader())) },
  {
    weight: 5,
    arbitrary: fc.constantFrom(1_100, 4_000, 12_000, 310_000).map((ms) => named(`advance ${ms}`, (w) => w.advance(ms))),
  },
  { weight: 3, arbitrary: toggle('fails', (w) => w.failsOn) },
  { weight: 2, arbitrary: toggle('sick', (w) => w.sickOn) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(anyNode, fc.boolean())
      .map(([id, cordoned]) => named(`cordoned ${id} ${cordoned}`, (w) => w.setSettings(id, { cordoned }))),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('plain', 'back', 'long'), fc.constantFrom(undefined, 'keep-original', 'longest-running'))
      .map(([name, onReturn]) =>
        named(`${name} ${onReturn}`, (w) =>
          w.setWorkload(name, { ...traits[name], ...(onReturn === undefined ? {} : { onReturn }) }),
        ),
      ),
  },
);

/** Writes what still may be written; no step may take away the last copy that is well. */
function apply(world: World, steps: readonly Step[]): void {
  for (const step of steps) {
    const before = step.instance === undefined ? [] : healthyOn(world, step.instance);
    if (!world.apply(step) || step.instance === undefined) continue;
    const options = traits[splitInstanceKey(step.instance).workload];
    if (options?.mode === 'stop' || options?.moveOrder === 'stop-first') continue;
    const stopped = before.filter((node) => world.assignments.get(`${node} ${step.instance}`)?.value.order !== 'run');
    const left = before.filter((node) => !stopped.includes(node));
    assert.ok(stopped.length === 0 || left.length > 0, `${step.reason}: no copy that is well is left`);
  }
}

/** Where its node says that it's well, and orders it to run. */
function healthyOn(world: World, key: InstanceKey): NodeId[] {
  return nodes.filter((node) => {
    const order = world.assignments.get(`${node} ${key}`);
    const status = world.statuses.get(`${node} ${key}`)?.value;
    const isOrdered = order?.value.order === 'run' && status?.assignmentRevision === order.revision;
    return isOrdered && status?.healthy === true && world.presences.has(node);
  });
}

function powerOff(world: World, id: NodeId): void {
  world.lose(id);
  for (const at of [...world.processes.keys()]) if (at.startsWith(id)) world.processes.delete(at);
}

function makeWorld(): World {
  const world = new World();
  for (const name of ['a', 'b', 'c', 'd']) world.addNode(name);
  for (const name of names) world.setWorkload(name, traits[name]);
  return world;
}

function checkSafe(world: World): void {
  for (const key of keys) {
    const copies = world.instances.get(key)?.value.copies ?? [];
    assert.ok(copies.filter(({ role }) => role === 'current').length <= 1, `${key} has two current copies`);
    const counting = nodes.filter((node) => {
      const order = world.assignments.get(`${node} ${key}`)?.value;
      return order?.order === 'run' && order.superseded !== true;
    });
    assert.ok(counting.length <= 1, `${key} is ordered as the copy that counts on ${counting.length} nodes`);
    if (key.startsWith('strict/')) assert.ok(world.runningOn(key).length <= 1, `${key} runs twice`);
    if (key.startsWith('turns/')) continue;
    const lost = copies.filter(({ role, lost: isLost }) => role === 'current' && isLost === true);
    assert.deepEqual(lost, [], `${key}: the copy that counts is marked as replaced`);
  }
}

function play(world: World, ops: readonly Op[]): void {
  for (const op of ops) {
    op(world);
    checkSafe(world);
  }
}

/** All is well from now on. */
function heal(world: World): void {
  world.failsOn.clear();
  world.sickOn.clear();
  for (const id of nodes) {
    world.setPresence(id, 'up');
    world.setSettings(id, { cordoned: false });
  }
}

const anyPast = fc.array(anyOp, { minLength: 20, maxLength: 80, size: 'max' });
const runs = (numRuns: number) => ({ numRuns, seed: 20_260_103 });

test('planCluster() never leaves a keep instance without a copy that is well, and never has two that count', () => {
  fc.assert(
    fc.property(anyPast, (ops) => {
      const world = makeWorld();
      world.converge();
      play(world, ops);
    }),
    runs(400),
  );
});

test('planCluster() comes to one copy of each when all is well again, whatever failed, was lost and came back', () => {
  fc.assert(
    fc.property(anyPast, (ops) => {
      const world = makeWorld();
      play(world, ops);
      heal(world);
      world.converge(300);
      assert.deepEqual(world.plan().steps, []);
      for (const key of keys) {
        assert.equal(world.runningOn(key).length, 1, `${key} runs on ${world.runningOn(key).length} nodes`);
        const record = world.instances.get(key)?.value;
        assert.deepEqual([record?.copies.length, record?.pending, record?.failing], [1, undefined, undefined], key);
        assert.equal(record?.copies[0]?.node, world.runningOn(key)[0]);
      }
    }),
    runs(200),
  );
});

test('planCluster() plans nothing twice while nothing changes but time that it didn’t ask for', () => {
  fc.assert(
    fc.property(anyPast, (ops) => {
      const world = makeWorld();
      play(world, ops);
      for (let round = 0; round < 30 && world.plan().steps.length > 0; round += 1) writeAll(world);
      const { steps, nextInMs } = world.plan();
      assert.deepEqual(steps, []);
      world.advance(Math.min(nextInMs ?? 1_000_000, 1_000_000) - 1);
      assert.deepEqual(world.plan().steps, []);
    }),
    runs(200),
  );
});

test('planCluster() asks to look again at just the workloads that it would plan anew then', () => {
  fc.assert(
    fc.property(anyPast, (ops) => {
      const world = makeWorld();
      play(world, ops);
      for (let round = 0; round < 30 && world.plan().steps.length > 0; round += 1) writeAll(world);
      const { wakes, nextInMs } = world.plan();
      if (nextInMs === undefined) return;
      const due = new Set([...wakes].flatMap(([name, ms]) => (ms === nextInMs ? [name] : [])));
      const losses = [...world.view().nodes.values()].filter(({ absentForMs }) => absentForMs !== undefined);
      world.advance(nextInMs);
      const planned = new Set(world.plan().steps.map(({ workload }) => workload));
      if (losses.length === 0) assert.deepEqual([...planned.difference(due)] satisfies WorkloadName[], []);
    }),
    runs(200),
  );
});
