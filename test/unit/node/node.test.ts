import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitInstanceKey } from '../../../src/domain/ids.ts';
import { advanceUntil } from '../../support/advance-until.ts';
import { FakeMachine } from '../../support/fake-machine.ts';
import { openFakeRuntime } from '../../support/fake-runtime.ts';
import { clusterId, keyOf, layout, makeWorld, node, phaseIs, startNode, web } from './node-fixture.ts';

test('an order to run is carried out and answered with its revision', async () => {
  const world = makeWorld();
  await startNode(world);
  const revision = world.assign(web);
  await advanceUntil(world.clock, 'running', phaseIs(world, web, 'running'), 1_000);
  assert.deepEqual(world.machine.running, [web]);
  const status = world.statusOf(web);
  assert.equal(status?.assignmentRevision, revision);
  assert.equal(status?.healthy, false);
  assert.deepEqual([status?.lastAction?.kind, status?.lastAction?.reason], ['start', 'assigned-here']);
  await advanceUntil(world.clock, 'healthy after 3 s', () => world.statusOf(web)?.healthy === true, 3_500);
});

test('a running instance costs no writes and no calls', async () => {
  const world = makeWorld();
  const { kv } = await startNode(world);
  world.assign(web);
  await advanceUntil(world.clock, 'healthy', () => world.statusOf(web)?.healthy === true, 5_000);
  const calls = new Map(kv.calls);
  const revision = world.store.revision;
  await world.clock.advance(600_000);
  assert.equal(world.store.revision, revision);
  assert.deepEqual(kv.calls, calls);
});

test('an order to stop is carried out, answered, and what is left goes with the order', async () => {
  const world = makeWorld();
  await startNode(world);
  world.assign(web);
  await advanceUntil(world.clock, 'running', phaseIs(world, web, 'running'), 1_000);
  const revision = world.assign(web, { order: 'stop' });
  await advanceUntil(world.clock, 'stopped', phaseIs(world, web, 'stopped'), 1_000);
  assert.equal(world.statusOf(web)?.assignmentRevision, revision);
  assert.ok(world.machine.items.has(web), 'its end can be looked at until the order is gone');
  world.unassign(web);
  await advanceUntil(world.clock, 'removed', () => !world.machine.items.has(web), 1_000);
  assert.equal(world.statusOf(web), undefined);
});

test('what runs without an order is reported as an orphan and runs on', async () => {
  const world = makeWorld();
  const first = await startNode(world);
  world.assign(web);
  await advanceUntil(world.clock, 'running', phaseIs(world, web, 'running'), 1_000);
  await first.end();
  world.unassign(web);
  await startNode(world);
  await advanceUntil(world.clock, 'orphan', phaseIs(world, web, 'orphan'), 1_000);
  assert.equal(world.statusOf(web)?.assignmentRevision, 0);
  assert.deepEqual(world.machine.running, [web]);
});

test('an agent that starts again adopts what runs', async () => {
  const world = makeWorld();
  const first = await startNode(world);
  world.assign(web);
  await advanceUntil(world.clock, 'running', phaseIs(world, web, 'running'), 1_000);
  await advanceUntil(world.clock, 'healthy', () => world.statusOf(web)?.healthy === true, 4_000);
  const said = world.statusOf(web);
  const before = world.machine.items.get(web)?.id;
  const calls = world.machine.calls.length;
  await first.end();
  await startNode(world);
  await world.clock.advance(5_000);
  assert.equal(world.machine.items.get(web)?.id, before);
  assert.equal(world.machine.calls.length, calls, 'nothing was asked of the runtime');
  assert.deepEqual(world.statusOf(web), said, 'what was said of it stays true');
});

test('another spec replaces what runs, the old one first', async () => {
  const world = makeWorld();
  await startNode(world);
  world.assign(web);
  await advanceUntil(world.clock, 'running', phaseIs(world, web, 'running'), 1_000);
  world.assign(web, {}, 2);
  await advanceUntil(
    world.clock,
    'the new one runs',
    () => world.statusOf(web)?.spec === 2 && phaseIs(world, web, 'running')(),
    2_000,
  );
  assert.deepEqual(world.machine.calls.slice(-4), ['start web/0', 'stop web/0', 'remove web/0', 'start web/0']);
  assert.equal(world.machine.items.get(web)?.order.specHash, 'hash-2');
});

test('an ordered restart replaces what runs once, is answered, and is not repeated by an agent that starts again', async () => {
  const world = makeWorld();
  const first = await startNode(world);
  world.assign(web);
  await advanceUntil(world.clock, 'healthy', () => world.statusOf(web)?.healthy === true, 5_000);
  const before = world.machine.items.get(web)?.id;
  const revision = world.assign(web, { restart: 7 });
  const isAnswered = () => world.statusOf(web)?.assignmentRevision === revision;
  await advanceUntil(
    world.clock,
    'answered and healthy',
    () => isAnswered() && phaseIs(world, web, 'running')(),
    2_000,
  );
  const after = world.machine.items.get(web)?.id;
  assert.notEqual(after, before);
  assert.equal(world.statusOf(web)?.restart, 7);
  await first.end();
  await startNode(world);
  await world.clock.advance(5_000);
  assert.equal(world.machine.items.get(web)?.id, after);
});

test('a container that ends is restarted at once, then with growing delay', async () => {
  const world = makeWorld();
  world.behaviours.set('web', { endsAfterMs: 1_000, exitCode: 3 });
  await startNode(world);
  world.assign(web);
  await advanceUntil(world.clock, 'restarted', () => world.statusOf(web)?.restarts === 1, 2_000);
  await advanceUntil(world.clock, 'failed', phaseIs(world, web, 'failed'), 2_000);
  assert.equal(world.statusOf(web)?.exitCode, 3);
  const failedAtMs = world.clock.monotonicMs();
  await advanceUntil(world.clock, 'restarted again', () => world.statusOf(web)?.restarts === 2, 12_000);
  assert.ok(world.clock.monotonicMs() - failedAtMs > 9_000, 'the second restart waits 10 s');
});

test('a start that fails says why, and holds up no other', async () => {
  const world = makeWorld();
  world.behaviours.set('bad', { refusal: 'no such image' });
  await startNode(world);
  world.assign(keyOf('bad'));
  world.assign(web);
  await advanceUntil(
    world.clock,
    'both answered',
    () => phaseIs(world, web, 'running')() && phaseIs(world, keyOf('bad'), 'failed')(),
    1_000,
  );
  assert.match(world.statusOf(keyOf('bad'))?.lastError ?? '', /no such image/);
});

test('starts that hang hold up no other, though they take every place', async () => {
  const world = makeWorld();
  for (let slot = 0; slot < 2; slot += 1) world.machine.hung.add(keyOf('hangs', slot));
  await startNode(world, 2);
  for (let slot = 0; slot < 2; slot += 1) world.assign(keyOf('hangs', slot));
  await world.clock.advance(100);
  world.assign(web);
  await advanceUntil(world.clock, 'running', phaseIs(world, web, 'running'), 4_000);
});

test('an order to stop ends a start that hangs', async () => {
  const world = makeWorld();
  world.machine.hung.add(web);
  await startNode(world);
  world.assign(web);
  await world.clock.advance(1_000);
  const revision = world.assign(web, { order: 'stop' });
  await advanceUntil(
    world.clock,
    'stopped',
    () => phaseIs(world, web, 'stopped')() && world.statusOf(web)?.assignmentRevision === revision,
    2_000,
  );
});

test('while the runtime is away the statuses stay, with the reason, and nothing is begun', async () => {
  const world = makeWorld();
  await startNode(world);
  world.assign(web);
  await advanceUntil(world.clock, 'running', phaseIs(world, web, 'running'), 1_000);
  world.machine.setAway(true);
  world.assign(keyOf('more'));
  await advanceUntil(
    world.clock,
    'the reason is said',
    () => /Cannot reach docker/.test(world.statusOf(web)?.lastError ?? ''),
    70_000,
  );
  assert.equal(world.statusOf(web)?.phase, 'running');
  world.machine.setAway(false);
  await advanceUntil(
    world.clock,
    'both run',
    () => phaseIs(world, keyOf('more'), 'running')() && world.statusOf(web)?.lastError === undefined,
    3_000,
  );
});

test('while the store is away what runs goes on, and what ends is restarted', async () => {
  const world = makeWorld();
  const { kv } = await startNode(world);
  world.assign(web);
  await advanceUntil(world.clock, 'running', phaseIs(world, web, 'running'), 1_000);
  kv.cutOff();
  await world.clock.advance(60_000);
  assert.deepEqual(world.machine.running, [web]);
  world.machine.kill(web);
  await advanceUntil(world.clock, 'runs again', () => world.machine.running.length === 1, 2_000);
  kv.reconnect();
  await advanceUntil(world.clock, 'said', () => world.statusOf(web)?.restarts === 1, 5_000);
});

test('at the fence the stop instances end and the keep ones run on', async () => {
  const world = makeWorld();
  const { agent, rights } = await startNode(world);
  world.assign(web);
  world.assign(keyOf('db'), { disconnect: 'stop' });
  await advanceUntil(world.clock, 'both run', () => world.machine.running.length === 2, 1_000);
  rights.fenced = true;
  rights.canRun = false;
  agent.nudge();
  await advanceUntil(world.clock, 'only keep runs', () => world.machine.running.join() === web, 500);
  await world.clock.advance(30_000);
  assert.deepEqual(world.machine.running, [web], 'it is not started again without a lease');
});

test('garbage among the orders is skipped and disturbs nothing', async () => {
  const world = makeWorld();
  await startNode(world);
  world.put(`${layout.assignmentsOf(node)}../../etc/passwd`, '{}');
  world.put(layout.assignment(node, keyOf('garbage')), 'not json');
  world.put(layout.assignment(node, keyOf('later')), '{"v":99}');
  world.assign(keyOf('nospec'));
  world.store.commit({
    compares: [],
    writes: [{ delete: layout.spec(splitInstanceKey(keyOf('nospec')).workload, 1) }],
  });
  world.assign(web);
  await advanceUntil(world.clock, 'the good one runs', phaseIs(world, web, 'running'), 1_000);
  assert.deepEqual(
    world.machine.running.filter((key) => key !== keyOf('nospec')),
    [web],
  );
});

test('an order that becomes unreadable changes nothing, and keeps no other from being reported', async () => {
  const world = makeWorld();
  await startNode(world);
  const ended = keyOf('ended');
  world.assign(web);
  const endedRevision = world.assign(ended);
  await advanceUntil(world.clock, 'both run', () => world.machine.running.length === 2, 1_000);
  const revision = world.put(layout.assignment(node, web), '{"v":99}');
  world.put(layout.assignment(node, ended), 'garbage');
  world.machine.kill(ended);
  world.assign(keyOf('more'));
  await advanceUntil(world.clock, 'the other is reported', phaseIs(world, keyOf('more'), 'running'), 1_000);
  await advanceUntil(world.clock, 'said', () => world.statusOf(web)?.assignmentRevision === revision, 1_000);
  assert.match(world.statusOf(web)?.lastError ?? '', /expected format 1, got 99/);
  assert.equal(world.statusOf(web)?.phase, 'running');
  assert.ok(world.machine.items.has(ended), 'what has ended is not taken away');
  assert.notEqual(world.statusOf(ended)?.assignmentRevision, endedRevision);
});

test('orders that change while the runtime is away are not answered with what was, and hold up no report', async () => {
  const world = makeWorld();
  await startNode(world);
  world.assign(web);
  await advanceUntil(world.clock, 'healthy', () => world.statusOf(web)?.healthy === true, 5_000);
  world.machine.setAway(true);
  const revision = world.assign(web, {}, 2);
  await advanceUntil(world.clock, 'said', () => world.statusOf(web)?.assignmentRevision === revision, 70_000);
  assert.deepEqual([world.statusOf(web)?.healthy, world.statusOf(web)?.phase], [false, 'running']);
});

test('another order or spec does not wait for the failures of the one before', async () => {
  const world = makeWorld();
  world.behaviours.set('web', { refusal: 'no such image' });
  await startNode(world);
  world.assign(web);
  await world.clock.advance(200_000);
  assert.ok((world.statusOf(web)?.phase ?? '') === 'failed');
  world.behaviours.delete('web');
  world.assign(web, {}, 2);
  await advanceUntil(world.clock, 'the better spec runs', phaseIs(world, web, 'running'), 1_000);
});

test('a start under way is given up at the fence', async () => {
  const world = makeWorld();
  world.behaviours.set('db', { pullMs: 20_000 });
  const { agent, rights } = await startNode(world);
  world.assign(keyOf('db'), { disconnect: 'stop' });
  await world.clock.advance(10_000);
  let ran = false;
  world.machine.watchers.add(() => {
    ran ||= world.machine.running.length > 0;
  });
  rights.fenced = true;
  rights.canRun = false;
  agent.nudge();
  await world.clock.advance(30_000);
  assert.equal(ran, false);
});

test('what does not end at the fence is asked again, and not without pause', async () => {
  const world = makeWorld();
  const runtime = openFakeRuntime(world.machine, clusterId);
  let attempts = 0;
  runtime.stop = () => {
    attempts += 1;
    return Promise.reject(new Error('the daemon refuses'));
  };
  const { agent, rights } = await startNode(world, 4, runtime);
  world.assign(keyOf('db'), { disconnect: 'stop' });
  await advanceUntil(world.clock, 'runs', () => world.machine.running.length === 1, 1_000);
  rights.fenced = true;
  agent.nudge();
  await world.clock.advance(10_000);
  assert.ok(attempts >= 10 && attempts <= 21, `${attempts} attempts in 10 s`);
});

test('a start that ends while the runtime is read is not taken for a stop', async () => {
  const world = makeWorld();
  const runtime = openFakeRuntime(world.machine, clusterId);
  const observe = runtime.observe.bind(runtime);
  runtime.observe = async (signal) => {
    const seen = await observe(signal);
    await world.clock.sleep(50, signal); // on its way while the machine goes on
    return seen;
  };
  await startNode(world, 4, runtime);
  world.assign(web);
  await advanceUntil(world.clock, 'its start', () => world.machine.calls.includes(`start ${web}`), 1_000, 1);
  const revision = world.assign(web, { order: 'stop' });
  const answers = () =>
    world.statusOf(web)?.assignmentRevision === revision && world.statusOf(web)?.phase === 'stopped';
  await advanceUntil(world.clock, 'the receipt', answers, 1_000, 1);
  assert.deepEqual(world.machine.running, []);
});

test('stored statuses that cannot be read at once are read as soon as they can', async () => {
  const world = makeWorld();
  const { agent, kv } = await startNode(world);
  kv.setFaults({ unreachable: 'refuse' });
  let read = false;
  const registering = agent.registered(new AbortController().signal).then(() => {
    read = true;
  });
  await world.clock.advance(30_000);
  assert.equal(read, false);
  kv.reconnect();
  await advanceUntil(world.clock, 'read', () => read, 3_000);
  await registering;
});

test('a runtime that hangs keeps no other from being looked after, and is seen again once it answers', async () => {
  const world = makeWorld();
  const units = new FakeMachine({ clock: world.clock, startMs: 20, stopMs: 20 });
  const docker = openFakeRuntime(world.machine, clusterId);
  const observe = docker.observe.bind(docker);
  let isHung = false;
  docker.observe = async (signal) => {
    while (isHung) await world.clock.sleep(15_000, signal);
    return observe(signal);
  };
  const { agent, rights } = await startNode(world, 4, docker, [openFakeRuntime(units, clusterId, 'systemd')]);
  world.assign(web);
  await advanceUntil(world.clock, 'healthy', () => world.statusOf(web)?.healthy === true, 5_000);
  isHung = true;
  agent.nudge();
  await world.clock.advance(4_000);
  const job = keyOf('job.service');
  world.assign(job, { disconnect: 'stop' });
  await advanceUntil(world.clock, 'the unit runs', () => units.running.length === 1, 200, 10);
  assert.match(world.statusOf(web)?.lastError ?? '', /Cannot reach docker: it has not answered/);
  rights.fenced = true;
  agent.nudge();
  await advanceUntil(world.clock, 'the unit has ended', () => units.running.length === 0, 200, 10);
  assert.ok(agent.isAlive(5_000), 'no pass hangs');
  isHung = false;
  await advanceUntil(world.clock, 'docker is seen again', () => world.statusOf(web)?.lastError === undefined, 16_000);
  assert.equal(world.statusOf(web)?.phase, 'running');
});

test('a spec that cannot be read is asked for less and less often, and found once it is there', async () => {
  const world = makeWorld();
  const { kv } = await startNode(world);
  const path = layout.spec(splitInstanceKey(web).workload, 1);
  world.assign(web);
  const spec = world.store.get(path)?.value ?? '';
  world.put(path, 'garbage');
  await advanceUntil(world.clock, 'said', () => /expected JSON/.test(world.statusOf(web)?.lastError ?? ''), 1_000);
  const before = kv.calls.get('get') ?? 0;
  await world.clock.advance(600_000);
  const asked = (kv.calls.get('get') ?? 0) - before;
  assert.ok(asked >= 8 && asked <= 20, `asked ${asked} times in 10 minutes`);
  world.put(path, spec);
  await advanceUntil(world.clock, 'running', phaseIs(world, web, 'running'), 61_000);
});

for (const stepMs of [0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3]) {
  test(`a retry that comes due while its pass plans is not forgotten until the next audit (${stepMs} ms)`, async () => {
    const world = makeWorld();
    const { clock } = world;
    const runtime = openFakeRuntime(world.machine, clusterId);
    let attempts = 0;
    runtime.start = () => {
      attempts += 1;
      return Promise.reject(new Error('no room'));
    };
    // As on a machine: a timer is early by a part of a millisecond, and time passes from one look at the clock to the next.
    const exactMs = clock.monotonicMs.bind(clock);
    let [lastMs, looks] = [0, 0];
    clock.monotonicMs = () => {
      looks = exactMs() === lastMs ? looks + 1 : 0;
      lastMs = exactMs();
      return lastMs - 0.5 + Math.min(0.9, looks * stepMs);
    };
    await startNode(world, 4, runtime);
    world.assign(web);
    await clock.advance(55_000);
    assert.ok(attempts >= 3, `${attempts} attempts in 55 s: at once, after 10 s, after 20 s more`);
  });
}
