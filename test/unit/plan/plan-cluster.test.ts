import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceKey, NodeId } from '../../../src/domain/ids.ts';
import { planCluster } from '../../../src/plan/plan-cluster.ts';
import type { Step } from '../../../src/plan/plan-cluster-step.ts';
import { TTL_MS, type WorkloadOptions, World } from './plan-cluster-world.ts';

const key = (text: string) => text as InstanceKey;

/** Three nodes and one workload with what the case says. */
function worldOf(name: string, options: WorkloadOptions = {}, names: readonly string[] = ['a', 'b', 'c']) {
  const world = new World();
  const ids = names.map((node) => world.addNode(node));
  world.setWorkload(name, options);
  return { world, ids: ids as [NodeId, NodeId, NodeId] };
}

/** `place web/0 → a` and the like, with the names of nodes. */
function draw(world: World, steps: readonly Step[] = world.plan().steps): string[] {
  const nameOf = (id: NodeId | undefined) => (id === undefined ? '' : (world.records.get(id)?.hostname ?? id));
  return steps.map(({ action, instance, workload, from, to }) => {
    const ends = [nameOf(from), to === undefined ? '' : `→ ${nameOf(to)}`].filter((part) => part !== '').join(' ');
    return [action, instance ?? workload, ends].filter((part) => part !== '').join(' ');
  });
}

function reasonOf(world: World, instance: string): string | undefined {
  return world.instances.get(key(instance))?.value.pending?.reason;
}

test('planCluster() places replicas on as many nodes as there are, slots from 0', () => {
  const { world } = worldOf('web', { replicas: 3 });
  assert.deepEqual(draw(world), ['place web/0 → a', 'place web/1 → b', 'place web/2 → c']);
});

test('planCluster() counts the slots of a template from 1', () => {
  const { world } = worldOf('worker@.service', { replicas: 2, needs: { runtime: 'systemd' } });
  assert.deepEqual(draw(world), ['place worker@.service/1 → a', 'place worker@.service/2 → b']);
});

test('planCluster() gives a global workload one instance per node, named for it, and one to a node that joins', () => {
  const { world } = worldOf('log', { global: true });
  world.converge();
  const d = world.addNode('d');
  assert.deepEqual(draw(world), [`place log/${d} → d`]);
});

test('planCluster() orders what is scaled away to stop, takes it away on its receipt, and forgets it', () => {
  const { world } = worldOf('web', { replicas: 2 });
  world.converge();
  world.setWorkload('web', { replicas: 1 });
  assert.deepEqual(draw(world), ['stop web/1 b']);
  world.converge();
  assert.deepEqual(world.orders(), ['web/0 a run']);
  assert.equal(world.instances.has(key('web/1')), false);
});

test('planCluster() takes no report but the one that answers the order to stop for its receipt', () => {
  const { world, ids } = worldOf('web', { desired: 'stop' });
  world.settleOn(ids[0], 'web/0');
  const earlier = world.assign(ids[0], 'web/0', { order: 'stop' });
  world.assign(ids[0], 'web/0', { order: 'stop' });
  world.report(ids[0], 'web/0', { phase: 'stopped', assignmentRevision: earlier });
  assert.deepEqual(draw(world), []);
  world.report(ids[0], 'web/0', { phase: 'failed' });
  assert.deepEqual(draw(world), []);
  world.report(ids[0], 'web/0', { phase: 'stopped' });
  assert.deepEqual(draw(world), ['receipt web/0 a']);
});

test('planCluster() remembers where a stopped workload ran, and starts it there again', () => {
  const { world } = worldOf('web', {}, ['c', 'b']);
  world.converge();
  world.addNode('a');
  world.setWorkload('web', { desired: 'stop' });
  world.converge();
  assert.deepEqual(world.orders(), []);
  world.setWorkload('web', {});
  assert.deepEqual(draw(world), ['place web/0 → b']);
});

test('planCluster() lets an instance run on that is wanted again before it has stopped', () => {
  const { world, ids } = worldOf('web');
  world.settleOn(ids[1], 'web/0');
  world.assign(ids[1], 'web/0', { order: 'stop' });
  assert.deepEqual(draw(world), ['resume web/0 → b']);
});

test('planCluster() removes a workload once its last instance is gone', () => {
  const { world } = worldOf('web', { replicas: 2 });
  world.converge();
  world.setWorkload('web', { replicas: 2, removing: true });
  assert.deepEqual(draw(world), ['stop web/0 a', 'stop web/1 b']);
  world.converge();
  assert.deepEqual(
    [world.workloads.size, world.instances.size, world.assignments.size, world.statuses.size],
    [0, 0, 0, 0],
  );
});

test('planCluster() removes a workload although a lost node still has to hear of it, and tells that node when it is back', () => {
  const { world, ids } = worldOf('web');
  world.converge();
  world.lose(ids[0]);
  world.setWorkload('web', { removing: true });
  world.converge();
  assert.deepEqual([world.workloads.size, world.instances.size], [0, 0]);
  assert.deepEqual(world.orders(), ['web/0 a stop']);
  world.setPresence(ids[0], 'up');
  world.converge();
  assert.deepEqual([world.assignments.size, world.statuses.size, world.processes.size], [0, 0, 0]);
});

test('planCluster() leaves alone, and reports, what is ordered to run of a workload that does not exist', () => {
  const { world, ids } = worldOf('web', { replicas: 0 });
  world.settleOn(ids[0], 'gone/0');
  const { steps, problems } = world.plan();
  assert.deepEqual(steps, []);
  assert.deepEqual(
    problems.map(({ instance, reason }) => [instance, reason]),
    [['gone/0', 'is ordered to run on a, but there is no such workload']],
  );
});

const losses: [name: string, options: WorkloadOptions, afterMs: number, expected: string[]][] = [
  ['leaves a keep instance for the second that a new registration takes', {}, 999, []],
  ['replaces a keep instance one second after presence was gone', {}, 1_000, ['replace web/0 a → b']],
  ['leaves a stop instance until a TTL and a tenth are over', { mode: 'stop' }, 1.1 * TTL_MS - 1, []],
  ['replaces a stop instance after a TTL and a tenth', { mode: 'stop' }, 1.1 * TTL_MS, ['replace web/0 a → b']],
  ['lets a sticky instance wait for its node', { sticky: true }, 100_000, ['wait web/0']],
  ['does not place a global instance anew', { global: true }, 100_000, []],
];
for (const [name, options, afterMs, expected] of losses) {
  test(`planCluster() ${name}`, () => {
    const { world, ids } = worldOf('web', options);
    const slot = options.global === true ? ids[0] : '0';
    if (options.global === true) for (const id of ids) world.settleOn(id, `web/${id}`);
    else world.settleOn(ids[0], `web/${slot}`, { disconnect: options.mode ?? 'keep' });
    world.lose(ids[0]);
    world.advance(afterMs);
    assert.deepEqual(draw(world), expected);
  });
}

test('planCluster() says when the next loss comes of age', () => {
  const { world, ids } = worldOf('web');
  world.settleOn(ids[0], 'web/0');
  assert.equal(world.plan().nextInMs, undefined);
  world.lose(ids[0]);
  world.advance(400);
  assert.equal(world.plan().nextInMs, 600);
  world.advance(600);
  assert.equal(world.plan().nextInMs, 1.1 * TTL_MS - 1_000);
  world.advance(TTL_MS);
  assert.equal(world.plan().nextInMs, undefined);
});

test('planCluster() leaves a lost keep copy its order to run, and takes a lost stop copy’s back', () => {
  for (const [mode, old] of [
    ['keep', 'web/0 a run superseded'],
    ['stop', 'web/0 a stop superseded'],
  ] as const) {
    const { world, ids } = worldOf('web', { mode });
    world.settleOn(ids[0], 'web/0', { disconnect: mode });
    world.lose(ids[0]);
    world.advance(2 * TTL_MS);
    for (const step of world.plan().steps) assert.ok(world.apply(step));
    assert.deepEqual(world.orders(), [old, 'web/0 b run']);
  }
});

test('planCluster() replaces nothing that came back before the leader wrote', () => {
  for (const mode of ['keep', 'stop'] as const) {
    const { world, ids } = worldOf('web', { mode });
    world.settleOn(ids[0], 'web/0', { disconnect: mode });
    world.lose(ids[0]);
    world.advance(2 * TTL_MS);
    const [step] = world.plan().steps;
    world.setPresence(ids[0], 'up');
    assert.ok(step !== undefined && !world.apply(step));
  }
});

test('planCluster() never replaces a stop instance on a lost node that was told to keep it running', () => {
  const { world, ids } = worldOf('web', { mode: 'stop' });
  world.settleOn(ids[0], 'web/0', { disconnect: 'keep' });
  world.lose(ids[0]);
  world.advance(100 * TTL_MS);
  assert.deepEqual(draw(world), ['wait web/0']);
  world.converge();
  assert.match(reasonOf(world, 'web/0') ?? '', /^a is lost, and was told to keep it running/);
});

test('planCluster() stops the stale copy of a node that is back only once its replacement is healthy', () => {
  const { world, ids } = worldOf('web');
  world.settleOn(ids[0], 'web/0');
  world.lose(ids[0]);
  world.advance(2_000);
  for (const step of world.plan().steps) world.apply(step);
  world.setPresence(ids[0], 'up');
  assert.deepEqual(draw(world), []);
  world.report(ids[1], 'web/0', { healthy: true, bootId: 'an earlier one' });
  assert.deepEqual(draw(world), [], 'what was well before its machine booted anew need not run');
  world.report(ids[1], 'web/0', { healthy: true, bootId: 'boot' });
  assert.deepEqual(draw(world), ['stop-superseded web/0 a']);
  world.converge();
  assert.deepEqual(world.orders(), ['web/0 b run']);
});

test('planCluster() takes a unit that has come to its own end for well', () => {
  const { world, ids } = worldOf('job.service', { needs: { runtime: 'systemd' } });
  world.settleOn(ids[1], 'job.service/0');
  world.report(ids[1], 'job.service/0', { phase: 'failed', healthy: false });
  world.assign(ids[0], 'job.service/0', { superseded: true });
  assert.deepEqual(
    draw(world).filter((line) => line.startsWith('stop')),
    [],
  );
  world.report(ids[1], 'job.service/0', { phase: 'stopped', healthy: false });
  assert.deepEqual(draw(world), ['stop-superseded job.service/0 a']);
});

test('planCluster() goes back to a superseded copy when the one that replaced it is lost too', () => {
  const { world, ids } = worldOf('web');
  world.assign(ids[0], 'web/0', { superseded: true });
  world.report(ids[0], 'web/0');
  world.assign(ids[1], 'web/0');
  world.record('web/0', {
    copies: [
      { node: ids[1], role: 'current' },
      { node: ids[0], role: 'superseded' },
    ],
  });
  world.lose(ids[1]);
  world.advance(2_000);
  assert.deepEqual(draw(world), ['reinstate web/0 b → a']);
});

const leavings: [name: string, options: WorkloadOptions, expected: string[]][] = [
  ['replaces a keep instance as soon as its machine shuts down', {}, ['replace web/0 a → b']],
  ['orders a stop instance to stop when its machine shuts down', { mode: 'stop' }, ['stop-to-move web/0 a']],
  ['leaves a sticky instance to its machine that shuts down', { sticky: true }, []],
];
for (const [name, options, expected] of leavings) {
  test(`planCluster() ${name}`, () => {
    const { world, ids } = worldOf('web', options);
    world.settleOn(ids[0], 'web/0', { disconnect: options.mode ?? 'keep' });
    world.setPresence(ids[0], 'leaving');
    assert.deepEqual(draw(world), expected);
  });
}

test('planCluster() starts a stop instance elsewhere on the receipt of the machine that shuts down, even if it is gone by then', () => {
  const { world, ids } = worldOf('web', { mode: 'stop' });
  world.settleOn(ids[0], 'web/0', { disconnect: 'stop' });
  world.setPresence(ids[0], 'leaving');
  for (const step of world.plan().steps) world.apply(step);
  assert.deepEqual(draw(world), []);
  world.report(ids[0], 'web/0', { phase: 'stopped' });
  world.lose(ids[0]);
  assert.deepEqual(draw(world), ['move web/0 a → b']);
});

test('planCluster() moves nothing off a node whose agent is away', () => {
  const { world, ids } = worldOf('web');
  world.settleOn(ids[0], 'web/0');
  world.setPresence(ids[0], 'away');
  assert.deepEqual(draw(world), []);
});

test('planCluster() moves off a draining node, start-first: the old copy stops when the new one is healthy', () => {
  const { world, ids } = worldOf('web');
  world.settleOn(ids[0], 'web/0');
  world.setSettings(ids[0], { draining: true });
  assert.deepEqual(draw(world), ['move web/0 a → b']);
  for (const step of world.plan().steps) world.apply(step);
  assert.deepEqual(world.orders(), ['web/0 a run superseded', 'web/0 b run']);
  assert.deepEqual(draw(world), []);
  world.report(ids[1], 'web/0');
  assert.deepEqual(draw(world), ['stop-superseded web/0 a']);
});

for (const options of [{ moveOrder: 'stop-first' }, { mode: 'stop' }] as const) {
  test(`planCluster() moves off a draining node, ${JSON.stringify(options)}: the new copy starts when the old one has stopped`, () => {
    const { world, ids } = worldOf('web', options);
    world.settleOn(ids[0], 'web/0', { disconnect: 'mode' in options ? options.mode : 'keep' });
    world.setSettings(ids[0], { draining: true });
    assert.deepEqual(draw(world), ['stop-to-move web/0 a']);
    for (const step of world.plan().steps) world.apply(step);
    assert.deepEqual(draw(world), []);
    world.report(ids[0], 'web/0', { phase: 'stopped' });
    assert.deepEqual(draw(world), ['move web/0 a → b']);
    for (const step of world.plan().steps) world.apply(step);
    assert.deepEqual(world.orders(), ['web/0 b run']);
  });
}

test('planCluster() stops nothing on a draining node that nothing else could take, and says why', () => {
  const { world, ids } = worldOf('web', { moveOrder: 'stop-first' }, ['a', 'b']);
  world.settleOn(ids[0], 'web/0');
  world.setSettings(ids[0], { draining: true });
  world.setSettings(ids[1], { cordoned: true });
  assert.deepEqual(draw(world), ['wait web/0']);
  world.converge();
  assert.equal(reasonOf(world, 'web/0'), 'cannot leave a (draining): none of 2 nodes fits: 1 cordoned, 1 draining');
  world.setSettings(ids[0], { draining: false });
  world.converge();
  assert.equal(reasonOf(world, 'web/0'), undefined);
});

test('planCluster() updates one healthy instance at a time, the next when the one before is healthy', () => {
  const { world, ids } = worldOf('web', { replicas: 3 });
  world.converge();
  world.setWorkload('web', { replicas: 3, spec: 2 });
  assert.deepEqual(draw(world), ['update web/0 → a']);
  for (const step of world.plan().steps) world.apply(step);
  assert.deepEqual(draw(world), []);
  world.obey(ids[0]);
  assert.deepEqual(draw(world), ['update web/1 → b']);
});

test('planCluster() updates what is not healthy at once, and stops at a spec that makes nothing healthy', () => {
  const { world, ids } = worldOf('web', { replicas: 3 });
  world.converge();
  world.report(ids[1], 'web/1', { healthy: false, phase: 'failed' });
  world.report(ids[2], 'web/2', { healthy: false, phase: 'failed' });
  world.setWorkload('web', { replicas: 3, spec: 2 });
  assert.deepEqual(draw(world), ['update web/0 → a', 'update web/1 → b', 'update web/2 → c']);
  const [, ...unwell] = world.plan().steps;
  for (const step of unwell) world.apply(step);
  for (const name of ['web/1', 'web/2']) world.sick.add(key(name));
  for (const id of ids) world.obey(id);
  assert.deepEqual(draw(world), []);
});

test('planCluster() restarts one healthy instance at a time, and each only once', () => {
  const { world, ids } = worldOf('web', { replicas: 3 });
  world.converge();
  world.advance(60_000);
  world.setWorkload('web', { replicas: 3, restart: { all: 7, slots: {} } });
  assert.deepEqual(draw(world), ['update web/0 → a']);
  for (const step of world.plan().steps) world.apply(step);
  assert.deepEqual(draw(world), []);
  world.obey(ids[0]);
  assert.deepEqual(draw(world), ['update web/1 → b']);
  world.converge();
  const startedAtMs = [...world.processes.values()].map((process) => process.startedAtMs);
  assert.ok(
    startedAtMs.every((at) => at >= 60_000),
    String(startedAtMs),
  );
  assert.deepEqual(draw(world), []);
});

test('planCluster() restarts the one instance that is named, and what comes later starts as all do', () => {
  const { world } = worldOf('web', { replicas: 3 });
  world.converge();
  world.setWorkload('web', { replicas: 3, restart: { slots: { 1: 9 } } });
  assert.deepEqual(draw(world), ['update web/1 → b']);
  world.converge();
  assert.deepEqual(
    [...world.assignments.values()].map(({ value }) => value.restart),
    [undefined, 9, undefined],
  );
  world.setWorkload('web', { replicas: 3, restart: { all: 10, slots: {} } });
  world.converge();
  assert.ok([...world.assignments.values()].every(({ value }) => value.restart === 10));
});

test('planCluster() keeps a lost instance’s spec until its node is back', () => {
  const { world, ids } = worldOf('web', { sticky: true });
  world.settleOn(ids[0], 'web/0');
  world.lose(ids[0]);
  world.setWorkload('web', { sticky: true, spec: 2 });
  assert.deepEqual(draw(world), []);
  world.setPresence(ids[0], 'up');
  assert.deepEqual(draw(world), ['update web/0 → a']);
});

test('planCluster() adopts an orphan of an instance that it would have placed', () => {
  const { world, ids } = worldOf('web');
  world.report(ids[2], 'web/0', { phase: 'orphan' });
  assert.deepEqual(draw(world), ['adopt web/0 → c']);
});

test('planCluster() adopts what runs where its order and record are gone, before its node calls it an orphan', () => {
  for (const mode of ['keep', 'stop'] as const) {
    for (const phase of ['pulling', 'starting', 'running', 'stopping'] as const) {
      const { world, ids } = worldOf('web', { mode });
      world.report(ids[2], 'web/0', { phase });
      assert.deepEqual(draw(world), ['adopt web/0 → c'], `${mode} ${phase}`);
    }
    const { world, ids } = worldOf('web', { mode });
    world.report(ids[2], 'web/0', { phase: 'stopped' });
    assert.deepEqual(draw(world), ['place web/0 → a'], `${mode} stopped`);
  }
});

test('planCluster() orders an orphan to stop once the instance is healthy elsewhere', () => {
  const { world, ids } = worldOf('web');
  world.settleOn(ids[0], 'web/0');
  world.report(ids[0], 'web/0', { healthy: false });
  world.report(ids[2], 'web/0', { phase: 'orphan' });
  assert.deepEqual(draw(world), []);
  world.report(ids[0], 'web/0', { healthy: true });
  assert.deepEqual(draw(world), ['stop-superseded web/0 c']);
});

test('planCluster() orders an orphan to stop whose slot its workload does not want, and no other', () => {
  const { world, ids } = worldOf('web', { replicas: 0 });
  world.report(ids[2], 'web/0', { phase: 'orphan' });
  world.report(ids[2], 'unknown/0', { phase: 'orphan' });
  assert.deepEqual(draw(world), ['stop web/0 c']);
});

test('planCluster() starts a stop instance nowhere but where it runs as an orphan', () => {
  const { world, ids } = worldOf('web', { mode: 'stop' });
  world.report(ids[2], 'web/0', { phase: 'orphan' });
  world.setSettings(ids[2], { cordoned: true });
  assert.deepEqual(draw(world), ['wait web/0 c']);
  for (const step of world.plan().steps) world.apply(step);
  assert.deepEqual(world.orders(), ['web/0 c stop superseded']);
  assert.deepEqual(draw(world), []);
  world.report(ids[2], 'web/0', { phase: 'stopped' });
  assert.deepEqual(draw(world), ['place web/0 → a']);
});

test('planCluster() resumes a stop instance once every node that the record names has been told to end it', () => {
  const { world, ids } = worldOf('web', { mode: 'stop' });
  const revision = world.assign(ids[0], 'web/0', { order: 'stop', disconnect: 'stop' });
  world.report(ids[0], 'web/0', { assignmentRevision: revision, phase: 'stopped', healthy: false });
  const copies = [
    { node: ids[0], role: 'current' },
    { node: ids[1], role: 'superseded' }, // its order was deleted by hand
  ] as const;
  world.record('web/0', { copies, lastNode: ids[0] });
  assert.deepEqual(draw(world), ['stop-superseded web/0 b']);
  for (const step of world.plan().steps) world.apply(step);
  assert.deepEqual(draw(world), []);
  world.report(ids[1], 'web/0', { phase: 'stopped', healthy: false });
  assert.deepEqual(draw(world), ['resume web/0 → a']);
});

test('planCluster() writes why an instance waits once, and again when the reason changes', () => {
  const { world, ids } = worldOf('web', { placement: { labels: [{ key: 'disk', values: ['ssd'] }] } }, ['a']);
  assert.deepEqual(draw(world), ['wait web/0']);
  world.converge();
  assert.deepEqual(draw(world), []);
  assert.equal(reasonOf(world, 'web/0'), 'none of 1 node fits: 1 label disk is not set, not ssd');
  assert.deepEqual(world.instances.get(key('web/0'))?.value.pending?.nodes, {
    [ids[0]]: 'label disk is not set, not ssd',
  });
  const since = world.instances.get(key('web/0'))?.value.pending?.since;
  world.advance(5_000);
  world.setSettings(ids[0], { cordoned: true });
  world.converge();
  assert.equal(reasonOf(world, 'web/0'), 'none of 1 node fits: 1 cordoned');
  assert.equal(world.instances.get(key('web/0'))?.value.pending?.since, since);
  world.setSettings(ids[0], { cordoned: false, labels: { disk: 'ssd' } });
  assert.deepEqual(draw(world), ['place web/0 → a']);
});

test('planCluster() keeps the last ten moves of an instance', () => {
  const { world, ids } = worldOf('web', {}, ['a', 'b']);
  for (let round = 0; round < 15; round += 1) {
    const [from, to] = round % 2 === 0 ? [ids[0], ids[1]] : [ids[1], ids[0]];
    world.setSettings(from, { draining: true });
    world.setSettings(to, { draining: false });
    world.converge();
  }
  const moves = world.instances.get(key('web/0'))?.value.moves ?? [];
  assert.equal(moves.length, 10);
  assert.deepEqual(moves.at(-1)?.reason, 'a: draining');
});

test('planCluster() skips and reports a workload that it cannot plan, and plans the others', () => {
  const { world } = worldOf('web');
  world.setWorkload('broken');
  const view = world.view();
  const broken = [...view.workloads.values()].find(({ name }) => name === 'broken');
  Object.defineProperty(broken, 'instances', {
    get() {
      throw new Error('no instances');
    },
  });
  const { steps, problems } = world.planOn(view);
  assert.deepEqual(draw(world, steps), ['place web/0 → a']);
  assert.deepEqual(
    problems.map(({ workload, reason }) => [workload, reason]),
    [['broken', 'cannot be planned: no instances']],
  );
});

test('planCluster() leaves an instance alone of which something cannot be read, and its siblings not', () => {
  const { world, ids } = worldOf('web', { replicas: 2 });
  world.record('web/0', { lastNode: ids[0] });
  const view = world.view();
  for (const { instances } of view.workloads.values()) {
    for (const { unreadable } of instances.values()) (unreadable as Set<string>).add('assignments/a/web/0');
  }
  const { steps, problems } = world.planOn(view);
  assert.deepEqual(draw(world, steps), ['place web/1 → a']);
  assert.deepEqual(
    problems.map(({ instance }) => instance),
    ['web/0'],
  );
});

test('planCluster() stops at the limit of steps, and names the workloads that it did not come to the end of', () => {
  const { world } = worldOf('web', { replicas: 3 });
  world.setWorkload('app');
  world.setWorkload('zoo');
  const { steps, unfinished } = planCluster(world.view(), 'all', 2);
  assert.deepEqual(draw(world, steps), ['place app/0 → a', 'place web/0 → b']);
  assert.deepEqual([...unfinished], ['web', 'zoo']);
});
