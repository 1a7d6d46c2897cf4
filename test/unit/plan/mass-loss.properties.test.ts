import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NodeId } from '../../../src/domain/ids.ts';
import { World } from './plan-cluster-world.ts';

/** What a node's orders reserve of it, until their receipts. */
function reserved(world: World, id: NodeId): { readonly memoryBytes: number; readonly cpus: number } {
  const total = { memoryBytes: 0, cpus: 0 };
  for (const at of world.assignments.keys()) {
    const [node, key = ''] = at.split(' ');
    const name = key.split('/')[0] ?? '';
    const needs = [...world.workloads].find(([each]) => each === name)?.[1].value.needs;
    if (node !== id || needs === undefined) continue;
    total.memoryBytes += needs.memoryBytes;
    total.cpus += needs.cpus;
  }
  return total;
}

function assertWithinCapacity(world: World): void {
  for (const [id, { capacity, hostname }] of world.records) {
    if (!world.presences.has(id)) continue;
    const { memoryBytes, cpus } = reserved(world, id);
    assert.ok(
      memoryBytes <= capacity.memoryBytes,
      `${hostname} has ${memoryBytes} of ${capacity.memoryBytes} bytes reserved`,
    );
    assert.ok(cpus <= capacity.cpus, `${hostname} has ${cpus} of ${capacity.cpus} CPUs reserved`);
  }
}

const cluster = fc.record({
  nodes: fc.array(
    fc.record({ memoryBytes: fc.integer({ min: 200, max: 2_000 }), cpus: fc.integer({ min: 1, max: 8 }) }),
    {
      minLength: 3,
      maxLength: 8,
    },
  ),
  workloads: fc.array(
    fc.record({
      replicas: fc.integer({ min: 1, max: 8 }),
      memoryBytes: fc.integer({ min: 0, max: 600 }),
      cpus: fc.constantFrom(0, 0.5, 1, 2),
      mode: fc.constantFrom('keep' as const, 'stop' as const),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  lost: fc.infiniteStream(fc.boolean()),
});

test('after a mass loss healing never exceeds a node’s capacity, and what does not fit waits with the reason', () => {
  let waited = 0;
  fc.assert(
    fc.property(cluster, ({ nodes, workloads, lost }) => {
      const world = new World();
      const ids = nodes.map((options, at) => world.addNode(`n${at}`, options));
      for (const [at, { replicas, mode, memoryBytes, cpus }] of workloads.entries())
        world.setWorkload(`w${at}`, { replicas, mode, needs: { memoryBytes, cpus } });
      world.converge();
      assertWithinCapacity(world);
      const gone = ids.filter((_id, at) => at > 0 && lost.next().value === true);
      for (const id of gone) world.lose(id);
      for (let round = 0; round < 60; round += 1) {
        const { steps, nextInMs } = world.plan();
        for (const step of steps) {
          assert.ok(world.apply(step));
          assertWithinCapacity(world);
        }
        for (const id of world.records.keys()) world.obey(id);
        world.advance(nextInMs ?? 100);
      }
      assert.deepEqual(world.plan().steps, []);
      for (const [key, { value }] of world.instances) {
        const isServed = world.runningOn(key).some((id) => world.presences.has(id));
        if (isServed) continue;
        waited += 1;
        assert.match(
          value.pending?.reason ?? '',
          /fits|not been seen to stop/,
          `${key} is nowhere, and nobody says why`,
        );
      }
    }),
    { numRuns: 200, seed: 20_260_102 },
  );
  assert.ok(waited > 50, `only ${waited} instances had no room: the test shows nothing`);
});
