import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceKey, NodeId } from '../../../src/domain/ids.ts';
import { PATIENCE_MS } from '../../../src/plan/plan-cluster-fitness.ts';
import { TTL_MS, type WorkloadOptions, World } from './plan-cluster-world.ts';

const web = 'web/0' as InstanceKey;

/** Nodes a, b, c and one workload that runs on a. */
function settled(options: WorkloadOptions = {}, names: readonly string[] = ['a', 'b', 'c']) {
  const world = new World();
  const ids = names.map((name) => world.addNode(name)) as [NodeId, NodeId, NodeId];
  world.setWorkload('web', options);
  write(world);
  obey(world);
  assert.deepEqual(world.orders(), ['web/0 a run']);
  return { world, ids };
}

/** `replace a b` and the like, with the names of nodes. */
function draw(world: World): string[] {
  return world
    .plan()
    .steps.map(({ action, from, to }) => [action, nameOf(world, from), nameOf(world, to)].join(' ').trim());
}

function nameOf(world: World, id: NodeId | undefined): string {
  return id === undefined ? '' : (world.records.get(id)?.hostname ?? id);
}

function write(world: World): string[] {
  const { steps } = world.plan();
  const drawn = draw(world);
  for (const step of steps) assert.ok(world.apply(step), drawn.join());
  return drawn;
}

function obey(world: World): void {
  for (const id of world.records.keys()) world.obey(id);
}

/** Rounds in which nothing but what is ordered happens, and no time passes. */
function settle(world: World): string[] {
  const all: string[] = [];
  for (let round = 0; round < 20; round += 1) {
    const drawn = write(world);
    all.push(...drawn);
    obey(world);
    if (drawn.length === 0 && world.plan().steps.length === 0) return all;
  }
  throw new Error(`it does not come to rest: ${all.join()}`);
}

/** a is cut off until b has the instance and is well. */
function replaced(options: WorkloadOptions = {}) {
  const { world, ids } = settled(options);
  world.lose(ids[0]);
  world.advance(2 * TTL_MS);
  assert.deepEqual(settle(world), ['replace a b']);
  world.advance(60_000);
  return { world, ids };
}

const pendingOf = (world: World) => world.instances.get(web)?.value.pending?.reason;
const movesOf = (world: World) => (world.instances.get(web)?.value.moves ?? []).map(({ reason }) => reason);
const currentOf = (world: World) =>
  nameOf(world, world.instances.get(web)?.value.copies.find(({ role }) => role === 'current')?.node);

// replaceAfter

for (const [mode, boundMs] of [
  ['keep', 1_000],
  ['stop', 1.1 * TTL_MS],
] as const) {
  test(`planCluster() replaces a ${mode} instance once its node has been lost for replaceAfter`, () => {
    const { world, ids } = settled({ mode, replaceAfterMs: 600_000 });
    world.lose(ids[0]);
    world.advance(boundMs);
    assert.deepEqual(write(world), ['wait']);
    assert.equal(pendingOf(world), 'a is lost; it is replaced once that has lasted for 10m');
    assert.deepEqual(draw(world), [], 'the reason is written once');
    world.advance(599_000);
    assert.deepEqual(draw(world), []);
    assert.equal(world.plan().nextInMs, 1_000);
    assert.deepEqual([...world.plan().wakes], [['web', 1_000]]);
    world.advance(1_000);
    assert.deepEqual(settle(world), ['replace a b']);
    assert.equal(pendingOf(world), undefined);
  });

  test(`planCluster() never replaces a ${mode} instance whose replaceAfter is never, and says what helps`, () => {
    const { world, ids } = settled({ mode, replaceAfterMs: 'never' });
    world.lose(ids[0]);
    world.converge();
    world.advance(1_000 * 3_600_000);
    assert.deepEqual(draw(world), []);
    assert.equal(world.plan().nextInMs, undefined);
    assert.match(pendingOf(world) ?? '', /^a is lost, and replaceAfter is never: apply it with another replaceAfter/);
    world.setWorkload('web', { mode, replaceAfterMs: 900 * 3_600_000 });
    assert.deepEqual(draw(world), ['replace a b'], 'it counts from when the node was lost');
  });
}

test('planCluster() counts replaceAfter on from an earlier leader’s verdict', () => {
  const { world, ids } = settled({ replaceAfterMs: 600_000 });
  world.lose(ids[0]);
  world.advance(400_000);
  settle(world);
  world.changeLeader();
  world.advance(201_000 - 1);
  assert.deepEqual(draw(world), []);
  world.advance(1);
  assert.deepEqual(draw(world), ['replace a b']);
});

test('planCluster() leaves what waits for its node as it was when the node is back in time', () => {
  const { world, ids } = settled({ replaceAfterMs: 600_000 });
  world.lose(ids[0]);
  world.advance(300_000);
  settle(world);
  world.setPresence(ids[0], 'up');
  assert.deepEqual(settle(world), ['tidy']);
  assert.equal(pendingOf(world), undefined);
  assert.deepEqual(world.orders(), ['web/0 a run']);
});

for (const mode of ['keep', 'stop'] as const) {
  test(`planCluster() lets a ${mode} instance that would rather wait go down and come up with its machine`, () => {
    const { world, ids } = settled({ mode, replaceAfterMs: 600_000 });
    world.setPresence(ids[0], 'leaving');
    assert.deepEqual(draw(world), []);
  });
}

// onReturn

test('planCluster() ends the replaced copy when its node is back, once the replacement is healthy, and records why', () => {
  const { world, ids } = replaced({ onReturn: 'keep-replacement' });
  world.setPresence(ids[0], 'up');
  assert.deepEqual(settle(world), ['stop-superseded a', 'receipt a']);
  assert.deepEqual(world.orders(), ['web/0 b run']);
  assert.equal(movesOf(world).at(-1), 'a is back; by keep-replacement the copy on b stays');
});

test('planCluster() goes back to the original when its node is back, and ends the replacement once that is healthy', () => {
  const { world, ids } = replaced({ onReturn: 'keep-original' });
  world.setPresence(ids[0], 'up');
  assert.deepEqual(draw(world), [], 'nothing before the original has said how it is');
  world.obey(ids[0]);
  assert.deepEqual(write(world), ['reinstate b a']);
  assert.deepEqual(draw(world), [], 'not before it is healthy under its new order');
  world.obey(ids[0]);
  assert.deepEqual(settle(world), ['stop-superseded b', 'receipt b']);
  assert.deepEqual(world.orders(), ['web/0 a run']);
  assert.deepEqual(movesOf(world).slice(-1), ['a is back, and onReturn is keep-original']);
});

test('planCluster() keeps whichever copy has run longer', () => {
  const { world, ids } = replaced({ onReturn: 'longest-running' });
  world.setPresence(ids[0], 'up');
  assert.deepEqual(settle(world), ['reinstate b a', 'stop-superseded b', 'receipt b']);

  const other = replaced({ onReturn: 'longest-running' });
  other.world.processes.clear(); // a was rebooted: what runs there was started after b's
  other.world.obey(other.ids[1]);
  other.world.advance(1_000);
  other.world.setPresence(other.ids[0], 'up');
  for (const at of [...other.world.processes.keys()]) if (at.startsWith(other.ids[0])) other.world.processes.delete(at);
  assert.deepEqual(settle(other.world), ['stop-superseded a', 'receipt a']);
  assert.equal(movesOf(other.world).at(-1), 'a is back; by longest-running the copy on b stays');
});

test('planCluster() chooses no copy of which its node has said nothing', () => {
  for (const onReturn of ['keep-original', 'longest-running'] as const) {
    const { world, ids } = replaced({ onReturn });
    world.setPresence(ids[0], 'up');
    world.statuses.delete(`${ids[0]} ${web}`);
    assert.deepEqual(draw(world), []);
  }
});

for (const onReturn of ['keep-original', 'longest-running'] as const) {
  test(`planCluster() with ${onReturn} keeps the replacement when the original fails or is to leave its node`, () => {
    const failing = replaced({ onReturn });
    failing.world.failsOn.add(`${failing.ids[0]} ${web}`);
    failing.world.setPresence(failing.ids[0], 'up');
    assert.deepEqual(settle(failing.world), ['stop-superseded a', 'receipt a']);
    const draining = replaced({ onReturn });
    draining.world.setSettings(draining.ids[0], { draining: true });
    draining.world.setPresence(draining.ids[0], 'up');
    assert.deepEqual(settle(draining.world), ['stop-superseded a', 'receipt a']);
  });

  test(`planCluster() with ${onReturn} waits for an original that is not healthy yet, but not for ever`, () => {
    const { world, ids } = replaced({ onReturn });
    world.sickOn.add(`${ids[0]} ${web}`);
    world.setPresence(ids[0], 'up');
    world.statuses.delete(`${ids[0]} ${web}`); // a reboot: its phase begins anew
    assert.deepEqual(settle(world), []);
    world.advance(PATIENCE_MS - 1);
    assert.deepEqual(draw(world), []);
    assert.equal(world.plan().nextInMs, 1);
    world.advance(1);
    assert.deepEqual(settle(world), ['stop-superseded a', 'receipt a']);
    assert.equal(currentOf(world), 'b');
  });
}

test('planCluster() goes on with the replacement when the reinstated original fails before it is healthy', () => {
  const { world, ids } = replaced({ onReturn: 'keep-original' });
  world.setPresence(ids[0], 'up');
  world.obey(ids[0]);
  write(world);
  world.failsOn.add(`${ids[0]} ${web}`);
  assert.deepEqual(settle(world), ['reinstate a b', 'stop-superseded a', 'receipt a']);
  assert.equal(movesOf(world).at(-1), 'fails on a, and the copy on b is healthy');
});

test('planCluster() goes on with the replacement when the reinstated original is lost again, whatever replaceAfter says', () => {
  const { world, ids } = replaced({ onReturn: 'keep-original' });
  world.setWorkload('web', { onReturn: 'keep-original', replaceAfterMs: 'never' });
  world.setPresence(ids[0], 'up');
  world.obey(ids[0]);
  assert.deepEqual(write(world), ['reinstate b a']);
  world.obey(ids[1]);
  world.lose(ids[0]);
  world.advance(1_000);
  assert.deepEqual(settle(world), ['reinstate a b']);
  world.setPresence(ids[0], 'up');
  assert.deepEqual(settle(world), ['stop-superseded a', 'receipt a'], 'it had its chance');
  assert.equal(currentOf(world), 'b');
});

test('planCluster() goes back to a healthy original when the replacement fails, or is not healthy in time', () => {
  const failing = replaced({ reschedule: 'never' });
  failing.world.failsOn.add(`${failing.ids[1]} ${web}`);
  failing.world.obey(failing.ids[1]);
  failing.world.setPresence(failing.ids[0], 'up');
  assert.deepEqual(settle(failing.world), ['reinstate b a', 'stop-superseded b', 'receipt b']);

  const { world, ids } = settled();
  world.sickOn.add(`${ids[1]} ${web}`);
  world.lose(ids[0]);
  world.advance(1_000);
  settle(world);
  world.setPresence(ids[0], 'up');
  assert.deepEqual(settle(world), []);
  assert.equal(world.plan().nextInMs, PATIENCE_MS);
  world.advance(PATIENCE_MS);
  assert.deepEqual(settle(world), ['reinstate b a', 'stop-superseded b', 'receipt b']);
  assert.equal(movesOf(world).at(-1), 'does not become healthy on b, and the copy on a is healthy');
});

test('planCluster() does not keep two copies for ever that never get healthy', () => {
  const { world, ids } = settled();
  world.sick.add(web);
  world.lose(ids[0]);
  world.advance(1_000);
  settle(world);
  world.setPresence(ids[0], 'up');
  assert.deepEqual(settle(world), []);
  world.advance(PATIENCE_MS);
  assert.deepEqual(settle(world), ['stop-superseded a', 'receipt a']);
  assert.deepEqual(world.orders(), ['web/0 b run']);
});

test('planCluster() prefers a copy that runs, though not well, to one that only fails', () => {
  const { world, ids } = settled({ reschedule: 'never' });
  world.sick.add(web);
  world.failsOn.add(`${ids[1]} ${web}`);
  world.lose(ids[0]);
  world.advance(1_000);
  settle(world);
  world.setPresence(ids[0], 'up');
  world.advance(PATIENCE_MS);
  settle(world);
  world.advance(PATIENCE_MS);
  settle(world);
  world.advance(PATIENCE_MS);
  settle(world);
  assert.deepEqual(world.orders(), ['web/0 a run']);
});

test('planCluster() interrupts no healthy copy of an older spec for a replacement that fails with the new one', () => {
  const { world, ids } = replaced({ reschedule: 'never' });
  world.setWorkload('web', { spec: 2, reschedule: 'never' });
  world.failsOn.add(`${ids[1]} ${web}`);
  settle(world);
  world.setPresence(ids[0], 'up');
  world.obey(ids[0]);
  world.advance(10 * PATIENCE_MS);
  assert.deepEqual(settle(world), []);
  assert.equal(world.processes.get(`${ids[0]} ${web}`)?.spec, 1);
});

test('planCluster() ends no healthy copy of an older spec for a replacement that is never healthy with the new one', () => {
  const { world, ids } = replaced();
  world.setWorkload('web', { spec: 2 });
  world.sickOn.add(`${ids[1]} ${web}`);
  settle(world);
  world.setPresence(ids[0], 'up');
  world.obey(ids[0]);
  world.advance(10 * PATIENCE_MS);
  assert.deepEqual(settle(world), []);
  assert.equal(world.processes.get(`${ids[0]} ${web}`)?.spec, 1);
});

test('planCluster() with keep-original does not go back where a drain has just moved it from', () => {
  const { world, ids } = settled({ onReturn: 'keep-original' });
  world.setSettings(ids[0], { draining: true });
  assert.deepEqual(write(world), ['move a b']);
  world.setSettings(ids[0], { draining: false });
  obey(world);
  assert.deepEqual(settle(world), ['stop-superseded a', 'receipt a']);
});

// launch

test('planCluster() orders whether an instance is started without moving it', () => {
  const { world, ids } = settled();
  world.setWorkload('web', { launch: false });
  assert.deepEqual(settle(world), ['update  a']);
  assert.equal(world.assignments.get(`${ids[0]} ${web}`)?.value.launch, false);
  world.setWorkload('web');
  assert.deepEqual(settle(world), ['update  a']);
  assert.equal(world.assignments.get(`${ids[0]} ${web}`)?.value.launch, undefined);
});

// offlineStart

test('planCluster() orders whether an instance may start offline without touching what runs', () => {
  const { world, ids } = settled();
  const before = world.processes.get(`${ids[0]} ${web}`);
  world.setWorkload('web', { offlineStart: true });
  world.advance(5_000);
  assert.deepEqual(settle(world), ['update  a']);
  assert.equal(world.assignments.get(`${ids[0]} ${web}`)?.value.offlineStart, true);
  assert.equal(world.assignments.get(`${ids[0]} ${web}`)?.value.spec, 1);
  assert.deepEqual(world.processes.get(`${ids[0]} ${web}`), before);
  world.setWorkload('web', { offlineStart: false });
  settle(world);
  assert.equal(world.assignments.get(`${ids[0]} ${web}`)?.value.offlineStart, undefined);
});

test('planCluster() lets no stop instance start offline', () => {
  const { world, ids } = settled({ mode: 'stop', offlineStart: true });
  assert.equal(world.assignments.get(`${ids[0]} ${web}`)?.value.offlineStart, undefined);
});

// reschedule

const fails = (world: World, ...ids: NodeId[]) => {
  for (const id of ids) world.failsOn.add(`${id} ${web}`);
};

test('planCluster() tries an instance elsewhere that keeps failing, and says so', () => {
  const { world, ids } = settled();
  fails(world, ids[0]);
  world.obey(ids[0]);
  assert.deepEqual(settle(world), ['move a b', 'receipt a']);
  assert.deepEqual(world.orders(), ['web/0 b run']);
  assert.equal(movesOf(world).at(-1), 'keeps failing on a');
});

for (const options of [{ mode: 'stop' }, { moveOrder: 'stop-first' }] as const) {
  test(`planCluster() tries it elsewhere only once it has stopped, with ${JSON.stringify(options)}`, () => {
    const { world, ids } = settled(options);
    fails(world, ids[0]);
    world.obey(ids[0]);
    assert.deepEqual(write(world), ['stop-to-move a']);
    assert.deepEqual(draw(world), []);
    world.obey(ids[0]);
    assert.deepEqual(settle(world), ['move a b']);
    assert.deepEqual(world.orders(), ['web/0 b run']);
    assert.equal(movesOf(world).at(-1), 'keeps failing on a');
  });

  test(`planCluster() has it go on where it was when nothing else fits any more, with ${JSON.stringify(options)}`, () => {
    const { world, ids } = settled(options);
    fails(world, ids[0]);
    world.obey(ids[0]);
    write(world);
    for (const id of ids.slice(1)) world.setSettings(id, { cordoned: true });
    world.obey(ids[0]);
    assert.deepEqual(write(world), ['resume  a']);
    assert.deepEqual(world.orders(), ['web/0 a run']);
  });
}

const fewFailures = { phase: 'failed', healthy: false, failures: 5 } as const;
test('planCluster() leaves an instance to its node’s restarts before it is tried elsewhere', () => {
  const { world, ids } = settled();
  world.report(ids[0], web, fewFailures);
  assert.deepEqual(draw(world), []);
  world.report(ids[0], web, { ...fewFailures, failures: 6 });
  assert.deepEqual(draw(world), ['move a b']);
  world.report(ids[0], web, { ...fewFailures, failures: 6, phase: 'starting' });
  assert.deepEqual(draw(world), [], 'this time it may come to be well');
  world.report(ids[0], web, { ...fewFailures, failures: 1, gaveUp: true });
  assert.deepEqual(draw(world), ['move a b'], 'nothing restarts it here');
  world.setWorkload('web', { reschedule: { afterRestarts: 0, delayMs: 1_000, maxDelayMs: 1_000 } });
  world.report(ids[0], web, { ...fewFailures, failures: 1 });
  assert.deepEqual(draw(world), ['move a b']);
});

for (const [name, options] of [
  ['is told never to be', { reschedule: 'never' }],
  ['is sticky', { sticky: true }],
] as const) {
  test(`planCluster() tries no instance elsewhere that ${name}`, () => {
    const { world, ids } = settled(options);
    fails(world, ids[0]);
    world.obey(ids[0]);
    assert.deepEqual(settle(world), []);
  });
}

test('planCluster() tries no global instance elsewhere', () => {
  const world = new World();
  const ids = ['a', 'b'].map((name) => world.addNode(name));
  world.setWorkload('web', { global: true });
  world.converge();
  for (const id of ids) world.failsOn.add(`${id} web/${id}`);
  obey(world);
  assert.deepEqual(settle(world), []);
});

test('planCluster() leaves what fits nowhere else where it is, with the reason on record, until something does', () => {
  const { world, ids } = settled();
  for (const id of ids.slice(1)) world.setSettings(id, { cordoned: true });
  fails(world, ids[0]);
  world.obey(ids[0]);
  assert.deepEqual(settle(world), ['wait']);
  assert.equal(pendingOf(world), 'keeps failing on a, and cannot be tried elsewhere: none of 2 nodes fits: 2 cordoned');
  world.report(ids[0], web, { phase: 'starting', healthy: false, failures: 99 });
  assert.deepEqual(draw(world), [], 'the reason is not written anew with each restart');
  world.obey(ids[0]);
  world.setSettings(ids[2], { cordoned: false });
  assert.deepEqual(settle(world), ['move a c', 'receipt a']);
  assert.equal(pendingOf(world), undefined);

  const alone = settled({}, ['a']);
  fails(alone.world, alone.ids[0]);
  alone.world.obey(alone.ids[0]);
  settle(alone.world);
  assert.match(pendingOf(alone.world) ?? '', /there is no other node$/);
});

test('planCluster() tries each node once before it tries one again, and waits twice as long each time', () => {
  const { world, ids } = settled();
  fails(world, ...ids);
  const path = ['a'];
  const waits: number[] = [];
  obey(world);
  for (let round = 0; round < 12; round += 1) {
    settle(world);
    path.push(currentOf(world));
    const waitMs = world.plan().nextInMs ?? 0;
    waits.push(waitMs);
    world.advance(waitMs - 1);
    assert.deepEqual(draw(world), []);
    world.advance(1);
  }
  assert.deepEqual(path.slice(0, 7).join(''), 'abcabca');
  const seconds = waits.map((ms) => ms / 1_000);
  assert.deepEqual(seconds, [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600, 3_600, 3_600]);
});

test('planCluster() answers an image that fails everywhere with no storm: few moves in a day, one copy at a time', () => {
  for (const mode of ['keep', 'stop'] as const) {
    const { world, ids } = settled({ mode });
    fails(world, ...ids);
    obey(world);
    let moves = 0;
    const dayMs = 86_400_000;
    while (world.nowMs < dayMs) {
      moves += settle(world).filter((line) => line.startsWith('move')).length;
      assert.ok(world.orders().filter((line) => line.includes('run')).length <= 1);
      world.advance(Math.min(world.plan().nextInMs ?? dayMs, 3_600_000));
    }
    assert.ok(moves <= 8 + 24, `${moves} moves in a day`);
  }
});

test('planCluster() forgives an instance that has been well for 10 minutes, and not sooner', () => {
  const { world, ids } = settled();
  fails(world, ids[0], ids[1]);
  world.obey(ids[0]);
  settle(world);
  world.advance(30_000);
  settle(world);
  assert.equal(currentOf(world), 'c');
  assert.equal(world.instances.get(web)?.value.failing?.moves, 2);
  world.advance(world.plan().nextInMs ?? 0);
  assert.deepEqual(settle(world), ['tidy']);
  assert.equal(world.nowMs, 30_000 + 600_000);
  assert.equal(world.instances.get(web)?.value.failing, undefined);
  assert.equal(world.plan().nextInMs, undefined);
});

test('planCluster() begins anew with another spec, and when a stopped workload is wanted again', () => {
  for (const change of [{ spec: 2 }, { desired: 'stop' }] as const) {
    const { world, ids } = settled();
    fails(world, ids[0], ids[1]);
    world.obey(ids[0]);
    settle(world);
    assert.equal(world.instances.get(web)?.value.failing?.moves, 1);
    world.setWorkload('web', change);
    write(world);
    assert.equal(world.instances.get(web)?.value.failing, undefined);
  }
});

test('planCluster() waits no longer than the delay after a record of a clock that was wrong', () => {
  const { world, ids } = settled();
  fails(world, ...ids);
  world.obey(ids[0]);
  settle(world);
  const record = world.instances.get(web)?.value;
  assert.ok(record?.failing !== undefined);
  world.record(web, { ...record, failing: { ...record.failing, at: '2099-01-01T00:00:00.000Z' } });
  assert.deepEqual(draw(world), ['move b c']);
});
