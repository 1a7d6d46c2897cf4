import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceKey, NodeId } from '../../../src/domain/ids.ts';
import { INSTANCES_PER_NODE } from '../../../src/plan/placement/rules.ts';
import { nodeId, type WorkloadOptions, World } from './plan-cluster-world.ts';

/** Where the first instance of the workload goes, or why nowhere: a node's name, or `why` by node. */
function place(world: World, name: string): string | Record<string, string> {
  const step = world.plan().steps.find(({ workload }) => workload === name);
  if (step?.to !== undefined) return world.records.get(step.to)?.hostname ?? '';
  const write = step?.writes.find((each) => each.kind === 'put-instance');
  const nodes = write?.kind === 'put-instance' ? (write.value.pending?.nodes ?? {}) : {};
  const nameOf = (id: string) => world.records.get(id as NodeId)?.hostname ?? id;
  return Object.fromEntries(Object.entries(nodes).map(([id, why]) => [nameOf(id), why]));
}

function makeWorld(...names: string[]): World {
  const world = new World();
  for (const name of names) world.addNode(name);
  return world;
}

const filters: [name: string, options: WorkloadOptions, change: (world: World) => unknown, why: string][] = [
  ['a node that is not present', {}, (w) => w.lose(nodeId('a')), 'lost'],
  ['a node whose agent is away', {}, (w) => w.setPresence(nodeId('a'), 'away'), 'its agent is away'],
  ['a node that shuts down', {}, (w) => w.setPresence(nodeId('a'), 'leaving'), 'is shutting down'],
  ['a node in doubt', {}, (w) => w.setPresence(nodeId('a'), 'in-doubt'), 'doubts the store'],
  ['a node without a record', {}, (w) => w.records.delete(nodeId('a')), 'has no record that can be read'],
  ['a cordoned node', {}, (w) => w.setSettings(nodeId('a'), { cordoned: true }), 'cordoned'],
  ['a draining node', {}, (w) => w.setSettings(nodeId('a'), { draining: true }), 'draining'],
  ['a node without the runtime', {}, (w) => w.addNode('a', { runtimes: { systemd: '252' } }), 'has no docker'],
  ['another machine', { placement: { machineIds: ['machine-b'] } }, () => {}, 'is not machine-b'],
  [
    'a node without the label',
    { placement: { labels: [{ key: 'k', values: ['v'] }] } },
    () => {},
    'label k is not set, not v',
  ],
  [
    'a node with another value',
    { placement: { labels: [{ key: 'k', values: ['v', 'w'] }] } },
    (w) => w.addNode('a', { labels: { k: 'x' } }),
    'label k is x, not v or w',
  ],
  ['a node without its company', { placement: { machineOf: ['db.0'] } }, () => {}, 'db.0 is not there'],
  [
    'a node with too little memory',
    { needs: { memoryBytes: 2_000_000 } },
    () => {},
    'has less than 2 MiB of memory unreserved',
  ],
  ['a node with too few CPUs', { needs: { cpus: 4.5 } }, () => {}, 'has less than 4.5 CPUs unreserved'],
  [
    'a conflict of its own',
    { placement: { conflicts: ['old*'] } },
    (w) => w.settleOn(nodeId('a'), 'old/0'),
    'conflicts with old.0',
  ],
  [
    'a conflict of another',
    {},
    (w) => {
      w.setWorkload('old', { placement: { conflicts: ['web.*'] } });
      w.settleOn(nodeId('a'), 'old/0');
    },
    'conflicts with old.0',
  ],
  [
    'a global unit that it conflicts with, by the name that it has on each node',
    { placement: { conflicts: ['old.service'] } },
    (w) => {
      w.setWorkload('old.service', { global: true, needs: { runtime: 'systemd' } });
      w.settleOn(nodeId('a'), `old.service/${nodeId('a')}`);
    },
    'conflicts with old.service',
  ],
  [
    'a node from which it would be replaced',
    {},
    (w) => {
      w.setWorkload('old', { placement: { replaces: ['web.*'] } });
      w.settleOn(nodeId('a'), 'old/0');
    },
    'conflicts with old.0',
  ],
  [
    'a taken port',
    { needs: { ports: [{ port: 80, protocol: 'tcp', hostIp: '10.0.0.1' }] } },
    (w) => {
      w.setWorkload('old', { needs: { ports: [{ port: 80, protocol: 'tcp' }] } });
      w.settleOn(nodeId('a'), 'old/0');
    },
    'port 80/tcp is taken',
  ],
  [
    'a full node',
    {},
    (w) => {
      w.setWorkload('old', { replicas: INSTANCES_PER_NODE, placement: { machineIds: ['machine-a'] } });
      for (let slot = 0; slot < INSTANCES_PER_NODE; slot += 1) w.settleOn(nodeId('a'), `old/${slot}`);
    },
    'has its 250 instances',
  ],
];
for (const [name, options, change, why] of filters) {
  test(`placement keeps away from ${name}, and says so`, () => {
    const world = makeWorld('a');
    world.setWorkload('web', options);
    change(world);
    const found = place(world, 'web');
    assert.deepEqual(typeof found === 'string' ? found : Object.values(found), [why]);
  });
}

test('placement knows a machine by its raw ID, its node ID, and the first eight digits of either', () => {
  for (const id of ['machine-b', 'machine-', nodeId('b'), nodeId('b').slice(0, 8)]) {
    const world = makeWorld('a', 'b');
    world.setWorkload('web', { placement: { machineIds: [id] } });
    assert.equal(place(world, 'web'), id === 'machine-' ? 'a' : 'b');
  }
});

test('placement keeps two unit instances of one name apart', () => {
  const world = makeWorld('a');
  world.setWorkload('hello@.service', { needs: { runtime: 'systemd' } });
  world.setWorkload('hello@1.service', { needs: { runtime: 'systemd' } });
  world.converge();
  assert.equal(world.assignments.size, 1);
});

test('placement takes the same port twice on different addresses or protocols', () => {
  const world = makeWorld('a');
  const ports = [
    { port: 53, protocol: 'udp', hostIp: '10.0.0.1' },
    { port: 53, protocol: 'tcp', hostIp: '10.0.0.1' },
    { port: 53, protocol: 'udp', hostIp: '10.0.0.2' },
  ] as const;
  for (const [index, port] of ports.entries()) world.setWorkload(`dns${index}`, { needs: { ports: [port] } });
  world.converge();
  assert.equal(world.assignments.size, 3);
});

test('placement follows its company, also when that moves', () => {
  const world = makeWorld('a', 'b');
  world.setWorkload('db', { placement: { labels: [{ key: 'disk', values: ['ssd'] }] } });
  world.setWorkload('app', { placement: { machineOf: ['db.0'] } });
  world.setSettings(nodeId('b'), { labels: { disk: 'ssd' } });
  world.converge();
  assert.deepEqual(
    [world.runningOn('db/0' as InstanceKey), world.runningOn('app/0' as InstanceKey)],
    [[nodeId('b')], [nodeId('b')]],
  );
  world.setSettings(nodeId('a'), { labels: { disk: 'ssd' } });
  world.setSettings(nodeId('b'), { draining: true });
  world.converge();
  assert.deepEqual(
    [world.runningOn('db/0' as InstanceKey), world.runningOn('app/0' as InstanceKey)],
    [[nodeId('a')], [nodeId('a')]],
  );
});

test('placement puts replicas that conflict with their siblings on different nodes, and the rest nowhere', () => {
  const world = makeWorld('a', 'b', 'c');
  world.setWorkload('w@.service', {
    replicas: 5,
    needs: { runtime: 'systemd' },
    placement: { conflicts: ['w@*.service'] },
  });
  world.converge();
  assert.equal(world.assignments.size, 3);
  assert.equal([...world.instances.values()].filter(({ value }) => value.pending !== undefined).length, 2);
});

test('placement separates two that were made to conflict: the one changed last goes', () => {
  const world = makeWorld('a', 'b');
  world.setWorkload('x', { placement: { machineIds: [] } });
  world.setWorkload('y');
  world.settleOn(nodeId('a'), 'x/0');
  world.settleOn(nodeId('a'), 'y/0');
  world.setWorkload('x', { placement: { conflicts: ['y.*'] }, changedAt: '2026-02-01T00:00:00.000Z' });
  assert.deepEqual(
    world.plan().steps.map(({ action, instance, to }) => [action, instance, to]),
    [['move', 'x/0', nodeId('b')]],
  );
});

test('placement moves away what an instance replaces', () => {
  const world = makeWorld('a', 'b');
  world.setWorkload('old');
  world.settleOn(nodeId('a'), 'old/0');
  world.setWorkload('new', { placement: { replaces: ['old.*'], machineIds: ['machine-a'] } });
  world.converge();
  assert.deepEqual(
    [world.runningOn('new/0' as InstanceKey), world.runningOn('old/0' as InstanceKey)],
    [[nodeId('a')], [nodeId('b')]],
  );
});

const scores: [name: string, arrange: (world: World) => void, expected: string][] = [
  ['goes back to where it last ran', (w) => w.record('web/0', { lastNode: nodeId('c') }), 'c'],
  [
    'takes a node that has none of its workload',
    (w) => fill(w, ['a', 'web/1'], ['b', 'web/2'], ['c', 'x/0'], ['c', 'x/1']),
    'c',
  ],
  ['takes a zone that has fewest of its workload', (w) => zones(w, { a: 'x', b: 'x', c: 'y' }, ['a', 'web/1']), 'c'],
  ['takes the node with fewest instances', (w) => fill(w, ['a', 'x/0'], ['b', 'x/1'], ['b', 'x/2']), 'c'],
  ['takes the first by ID among equals', () => {}, 'a'],
];
for (const [name, arrange, expected] of scores) {
  test(`placement ${name}`, () => {
    const world = makeWorld('a', 'b', 'c');
    world.setWorkload('web', { replicas: 3 });
    world.setWorkload('x', { replicas: 3 });
    arrange(world);
    assert.equal(place(world, 'web'), expected);
  });
}

test('placement takes the node with the smaller share of its memory reserved among those equally full', () => {
  const world = makeWorld('a', 'b');
  world.setWorkload('big', { needs: { memoryBytes: 500 } });
  world.setWorkload('small', { needs: { memoryBytes: 100 } });
  world.settleOn(nodeId('a'), 'big/0');
  world.settleOn(nodeId('b'), 'small/0');
  world.setWorkload('web');
  assert.equal(place(world, 'web'), 'b');
});

test('placement tells at most fifty nodes apart in a record, and counts all', () => {
  const world = makeWorld(...Array.from({ length: 80 }, (_none, index) => `n${index}`));
  for (const id of world.records.keys()) world.setSettings(id, { cordoned: true });
  world.setWorkload('web');
  world.converge();
  const pending = world.instances.get('web/0' as InstanceKey)?.value.pending;
  assert.equal(Object.keys(pending?.nodes ?? {}).length, 50);
  assert.equal(pending?.reason, 'none of 80 nodes fits: 80 cordoned');
});

function fill(world: World, ...copies: [node: string, key: string][]): void {
  for (const [node, key] of copies) world.settleOn(nodeId(node), key);
}

function zones(world: World, of: Record<string, string>, ...copies: [node: string, key: string][]): void {
  for (const [name, zone] of Object.entries(of)) world.setSettings(nodeId(name), { labels: { zone } });
  fill(world, ...copies);
}

test("placement reads a template's specifiers as each of its instances", () => {
  const world = makeWorld('a', 'b');
  world.setSettings(nodeId('a'), { labels: { shard: '2' } });
  world.setSettings(nodeId('b'), { labels: { shard: '1' } });
  world.setWorkload('shard@.service', {
    replicas: 2,
    needs: { runtime: 'systemd' },
    placement: { labels: [{ key: 'shard', values: ['%i'] }] },
  });
  world.setWorkload('sidekick@.service', {
    replicas: 2,
    needs: { runtime: 'systemd' },
    placement: { machineOf: ['shard@%i.service'] },
  });
  world.converge();
  const homes = ['shard', 'sidekick'].flatMap((name) =>
    [1, 2].map((slot) => world.runningOn(`${name}@.service/${slot}` as InstanceKey)),
  );
  assert.deepEqual(homes, [[nodeId('b')], [nodeId('a')], [nodeId('b')], [nodeId('a')]]);
});
