import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceKey, NodeId } from '../../../src/domain/ids.ts';
import type { Drain } from '../../../src/domain/node.ts';
import type { Step } from '../../../src/plan/plan-cluster-step.ts';
import { TTL_MS, type WorkloadOptions, World } from './plan-cluster-world.ts';

const key = (text: string) => text as InstanceKey;
const since = '1970-01-01T00:00:00.000Z';

/** Three nodes; on the first, so many instances of one workload, all well. */
function worldOf(options: WorkloadOptions = {}) {
  const world = new World();
  const ids = ['a', 'b', 'c'].map((node) => world.addNode(node)) as [NodeId, NodeId, NodeId];
  world.setWorkload('web', options);
  for (let slot = 0; slot < (options.replicas ?? 1); slot += 1)
    world.settleOn(ids[0], `web/${slot}`, { disconnect: options.mode ?? 'keep' });
  world.converge();
  return { world, ids };
}

function drain(world: World, id: NodeId, over: Partial<Drain> = {}): void {
  world.setSettings(id, { cordoned: true, draining: true, drain: { since, ...over } });
}

/** `move web/0 a → b` and the like. */
function draw(world: World, steps: readonly Step[] = world.plan().steps): string[] {
  const nameOf = (id: NodeId) => world.records.get(id)?.hostname ?? id;
  return steps.map(({ action, instance, from, to }) => {
    const ends = [from === undefined ? '' : nameOf(from), to === undefined ? '' : `→ ${nameOf(to)}`];
    return [action, instance ?? '', ...ends].filter((part) => part !== '').join(' ');
  });
}

/** Applies what is planned and has the nodes obey, round after round; the most that ran at once and the fewest that were well. */
function watchConverge(world: World, keys: readonly string[]) {
  let [mostMoving, fewestWell] = [0, Infinity];
  for (let round = 0; round < 100; round += 1) {
    const { steps, nextInMs } = world.plan();
    for (const step of steps) assert.ok(world.apply(step));
    const before = world.revision;
    const moving = keys.filter((each) => {
      const orders = world.orders().filter((order) => order.startsWith(`${each} `));
      return orders.filter((order) => / run/.test(order)).length > 1 || orders.some((order) => order.endsWith(' stop'));
    });
    mostMoving = Math.max(mostMoving, moving.length);
    for (const id of world.records.keys()) world.obey(id);
    const well = keys.filter((each) => world.runningOn(key(each)).length > 0);
    fewestWell = Math.min(fewestWell, well.length);
    if (steps.length === 0 && before === world.revision) break;
    world.advance(nextInMs ?? 100);
  }
  return { mostMoving, fewestWell };
}

const orders: [name: string, options: WorkloadOptions, fewestWell: number][] = [
  ['start-first, none of them ever missing', {}, 3],
  ['stop-first, two of three always there', { moveOrder: 'stop-first' }, 2],
  ['at most one, two of three always there', { mode: 'stop', moveOrder: 'stop-first' }, 2],
];
for (const [name, options, fewestWell] of orders) {
  test(`a drain moves one instance of a workload after the other: ${name}`, () => {
    const { world, ids } = worldOf({ ...options, replicas: 3 });
    const keys = ['web/0', 'web/1', 'web/2'];
    drain(world, ids[0]);
    const seen = watchConverge(world, keys);
    assert.deepEqual(seen, { mostMoving: 1, fewestWell });
    assert.deepEqual(
      world.orders().filter((order) => order.includes(' a ')),
      [],
    );
    assert.deepEqual(
      keys.map((each) => world.runningOn(key(each)).length),
      [1, 1, 1],
    );
  });
}

test('a drain does not begin with the next instance while the new copy of the last one is not well', () => {
  const { world, ids } = worldOf({ replicas: 2 });
  world.sickOn.add(`${ids[1]} web/0`);
  drain(world, ids[0]);
  for (const step of world.plan().steps) world.apply(step);
  for (const id of ids) world.obey(id);
  world.advance(60_000);
  assert.deepEqual(draw(world), []);
  assert.deepEqual(world.orders().sort(), ['web/0 a run superseded', 'web/0 b run', 'web/1 a run']);
});

test('uncordon ends a drain: what has not begun to move stays', () => {
  const { world, ids } = worldOf({ replicas: 2 });
  drain(world, ids[0]);
  for (const step of world.plan().steps) world.apply(step);
  world.setSettings(ids[0], { cordoned: false, draining: false });
  world.converge();
  assert.deepEqual(world.orders().sort(), ['web/0 b run', 'web/1 a run']);
});

test('an instance that has only been ordered to stop for a drain runs on where it is when the drain is undone', () => {
  const { world, ids } = worldOf({ mode: 'stop', moveOrder: 'stop-first' });
  drain(world, ids[0]);
  for (const step of world.plan().steps) world.apply(step);
  world.setSettings(ids[0], { cordoned: false, draining: false });
  assert.deepEqual(draw(world), ['resume web/0 → a']);
});

test('data stays where it is: at the deadline too, unless an operator wanted what is left then to be stopped', () => {
  const deadline = '1970-01-01T00:01:00.000Z';
  for (const force of [false, true]) {
    const { world, ids } = worldOf({ sticky: true });
    drain(world, ids[0], { deadline, ...(force ? { force: true } : {}) });
    for (const step of world.plan().steps) world.apply(step);
    assert.equal(
      world.instances.get(key('web/0'))?.value.pending?.reason,
      'cannot leave a (draining): its data is there',
    );
    assert.equal(world.plan().nextInMs, force ? 60_000 - world.nowMs : undefined);
    world.advance(60_000);
    world.converge();
    assert.deepEqual(world.orders(), force ? [] : ['web/0 a run']);
    if (!force) continue;
    assert.match(
      world.instances.get(key('web/0'))?.value.pending?.reason ?? '',
      /^its data is on a, which is cordoned/,
    );
    world.setSettings(ids[0], { cordoned: false, draining: false });
    world.converge();
    assert.deepEqual(world.orders(), ['web/0 a run'], 'it comes back to its data');
  }
});

test('at a forced deadline nothing waits for its turn, nor for a new copy that is not well', () => {
  const { world, ids } = worldOf({ replicas: 3 });
  world.sick.add(key('web/0'));
  drain(world, ids[0], { deadline: '1970-01-01T00:01:00.000Z', force: true });
  for (let round = 0; round < 5; round += 1) {
    for (const step of world.plan().steps) world.apply(step);
    for (const id of ids) world.obey(id);
  }
  assert.ok(world.orders().some((order) => order.includes(' a ')));
  world.advance(60_000 - world.nowMs);
  for (let round = 0; round < 5; round += 1) {
    for (const step of world.plan().steps) world.apply(step);
    for (const id of ids) world.obey(id);
  }
  assert.deepEqual(
    world.orders().filter((order) => order.includes(' a ')),
    [],
    'and no time passes',
  );
});

test('global instances leave a node that drains after all others, or stay if that is wanted', () => {
  for (const keepGlobal of [false, true]) {
    const { world, ids } = worldOf({ mode: 'stop', moveOrder: 'stop-first' });
    world.setWorkload('log', { global: true });
    world.converge();
    const own = `log/${ids[0]}`;
    drain(world, ids[0], keepGlobal ? { keepGlobal: true } : {});
    assert.deepEqual(draw(world), ['stop-to-move web/0 a'], 'not while another one is there');
    watchConverge(world, ['web/0']);
    assert.deepEqual(world.runningOn(key(own)), keepGlobal ? [ids[0]] : []);
    assert.deepEqual(
      world.orders().some((order) => order.startsWith(own)),
      keepGlobal,
    );
    world.setSettings(ids[0], { cordoned: false, draining: false });
    world.converge();
    assert.deepEqual(world.runningOn(key(own)), [ids[0]]);
  }
});

test('a node that is powered off while it drains: nothing is lost, and what ran there twice is one again when it is back', () => {
  for (const mode of ['keep', 'stop'] as const) {
    const { world, ids } = worldOf({ replicas: 3, mode, moveOrder: 'stop-first' });
    drain(world, ids[0]);
    for (const step of world.plan().steps) world.apply(step);
    world.lose(ids[0]);
    for (const at of [...world.processes.keys()]) if (at.startsWith(ids[0])) world.processes.delete(at);
    world.advance(2 * TTL_MS);
    world.converge();
    for (const slot of [0, 1, 2]) assert.equal(world.runningOn(key(`web/${slot}`)).length, 1, `${mode} ${slot}`);
    world.setPresence(ids[0], 'up');
    world.converge();
    assert.deepEqual(
      world.orders().filter((order) => order.includes(' a ')),
      [],
      'it is still to be empty',
    );
    for (const slot of [0, 1, 2]) assert.equal(world.runningOn(key(`web/${slot}`)).length, 1);
  }
});

const removals: [name: string, options: WorkloadOptions, force: boolean, moves: boolean][] = [
  ['moves on what would wait for ever for its node', { replaceAfterMs: 'never' }, false, true],
  ['moves on what waits for its data, without it', { sticky: true }, false, true],
  [
    'moves on a stop instance that has ended by now',
    { mode: 'stop', moveOrder: 'stop-first', sticky: true },
    false,
    true,
  ],
];
for (const [name, options, force, moves] of removals) {
  test(`the removal of a lost node ${name}`, () => {
    const { world, ids } = worldOf(options);
    world.lose(ids[0]);
    world.advance(2 * TTL_MS);
    world.converge();
    assert.deepEqual(world.orders(), ['web/0 a run']);
    world.setSettings(ids[0], { removal: { at: since, ...(force ? { force: true } : {}) } });
    world.converge();
    assert.deepEqual(world.orders(), moves ? ['web/0 b run'] : ['web/0 a run']);
    assert.deepEqual(
      [...world.statuses.keys()].filter((at) => at.startsWith(ids[0])),
      [],
    );
    assert.equal(world.instances.get(key('web/0'))?.value.lastNode, ids[1]);
  });
}

test('only an operator who says that the machine is dead ends the wait for what was told to keep running there', () => {
  const { world, ids } = worldOf();
  world.setWorkload('web', { mode: 'stop', moveOrder: 'stop-first' });
  world.lose(ids[0]);
  world.advance(100 * TTL_MS);
  world.converge();
  world.setSettings(ids[0], { removal: { at: since } });
  world.converge();
  assert.deepEqual(world.orders(), ['web/0 a run']);
  world.setSettings(ids[0], { removal: { at: since, force: true } });
  world.converge();
  assert.deepEqual(world.orders(), ['web/0 b run']);
});

test('a stop instance on a node to be removed is left alone until it has ended, unless the machine is said to be dead', () => {
  for (const force of [false, true]) {
    const { world, ids } = worldOf({ mode: 'stop', moveOrder: 'stop-first' });
    world.lose(ids[0]);
    world.setSettings(ids[0], { removal: { at: since, ...(force ? { force: true } : {}) } });
    assert.deepEqual(draw(world), force ? ['move web/0 a → b'] : []);
  }
});

test('the removal of a node is forgotten by plans while it is there, and compares that it is not', () => {
  const { world, ids } = worldOf({ sticky: true });
  world.setSettings(ids[0], { removal: { at: since } });
  assert.deepEqual(draw(world), []);
  world.lose(ids[0]);
  world.advance(2 * TTL_MS);
  const [step] = world.plan().steps;
  assert.ok(step);
  world.setPresence(ids[0], 'up');
  assert.equal(world.apply(step), false);
});

test('what a removed node was to a stopped workload is forgotten, so that it can start elsewhere', () => {
  const { world, ids } = worldOf({ sticky: true });
  world.setWorkload('web', { sticky: true, desired: 'stop' });
  world.converge();
  world.lose(ids[0]);
  world.advance(2 * TTL_MS);
  world.setSettings(ids[0], { removal: { at: since } });
  world.converge();
  assert.equal(world.instances.get(key('web/0'))?.value.lastNode, undefined);
  world.setWorkload('web', { sticky: true });
  world.converge();
  assert.deepEqual(world.orders(), ['web/0 b run']);
});

test('a global instance of a removed node goes with it', () => {
  const { world, ids } = worldOf();
  world.setWorkload('log', { global: true });
  world.converge();
  world.lose(ids[0]);
  world.advance(2 * TTL_MS);
  world.setSettings(ids[0], { removal: { at: since } });
  world.converge();
  assert.deepEqual(
    world.orders().filter((order) => order.includes(' a ')),
    [],
  );
  assert.equal(world.instances.has(key(`log/${ids[0]}`)), false);
});
