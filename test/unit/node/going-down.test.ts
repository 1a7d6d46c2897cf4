import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advanceUntil } from '../../support/advance-until.ts';
import { openFakeRuntime } from '../../support/fake-runtime.ts';
import { beginLeave, clusterId, keyOf, makeWorld, phaseIs, startNode, web } from './node-fixture.ts';

test('a machine that goes down stops its stop instances and starts nothing more', async () => {
  const world = makeWorld();
  const { agent } = await startNode(world);
  world.assign(web);
  world.assign(keyOf('db'), { disconnect: 'stop' });
  await advanceUntil(world.clock, 'both run', () => world.machine.running.length === 2, 1_000);
  const leave = beginLeave(agent);
  world.assign(keyOf('late'));
  await advanceUntil(world.clock, 'left', () => leave.isOver, 3_000);
  assert.deepEqual(world.machine.running, [web]);
  assert.equal(world.statusOf(keyOf('db'))?.phase, 'stopped');
});

test('a machine that goes down waits a while for the order by which it can prove that its stop instances have stopped', async () => {
  const world = makeWorld();
  const { agent } = await startNode(world);
  world.assign(keyOf('db'), { disconnect: 'stop' });
  await advanceUntil(world.clock, 'runs', () => world.machine.running.length === 1, 1_000);
  const leave = beginLeave(agent);
  await advanceUntil(world.clock, 'stopped', () => world.machine.running.length === 0, 1_000);
  await world.clock.advance(1_000);
  assert.equal(leave.isOver, false);
  const assignmentRevision = world.assign(keyOf('db'), { disconnect: 'stop', order: 'stop' });
  await advanceUntil(world.clock, 'left', () => leave.isOver, 500);
  const { phase, assignmentRevision: answered } = world.statusOf(keyOf('db')) ?? {};
  assert.deepEqual([phase, answered], ['stopped', assignmentRevision]);
});

test('a machine that may take little time to go down waits for no order beyond that', async () => {
  const world = makeWorld();
  const { agent } = await startNode(world);
  world.assign(keyOf('db'), { disconnect: 'stop' });
  await advanceUntil(world.clock, 'runs', () => world.machine.running.length === 1, 1_000);
  const leave = beginLeave(agent, 1_000);
  await advanceUntil(world.clock, 'left', () => leave.isOver, 700);
  assert.equal(world.statusOf(keyOf('db'))?.phase, 'stopped');
});

test('a machine that goes down gives the receipt also of a stop that ended while the runtime was read', async () => {
  const world = makeWorld();
  world.machine.stopMs = 400;
  const runtime = openFakeRuntime(world.machine, clusterId);
  const observe = runtime.observe.bind(runtime);
  let isSlow = false;
  runtime.observe = async (signal) => {
    if (isSlow) await world.clock.sleep(200, signal);
    return observe(signal);
  };
  const { agent } = await startNode(world, 4, runtime);
  world.assign(keyOf('db'), { disconnect: 'stop' });
  await advanceUntil(world.clock, 'runs', () => world.machine.running.length === 1, 1_000);
  const leave = beginLeave(agent);
  await advanceUntil(world.clock, 'said to be stopping', phaseIs(world, keyOf('db'), 'stopping'), 390, 10);
  isSlow = true;
  agent.nudge();
  await advanceUntil(world.clock, 'left', () => leave.isOver, 5_000, 10);
  assert.equal(world.statusOf(keyOf('db'))?.phase, 'stopped');
});

test('a machine that goes down is not held up by a store that takes no more reports', async () => {
  const world = makeWorld();
  const { agent, kv } = await startNode(world);
  world.assign(web);
  world.assign(keyOf('db'), { disconnect: 'stop' });
  await advanceUntil(world.clock, 'both run', () => world.machine.running.length === 2, 1_000);
  kv.cutOff();
  const leave = beginLeave(agent);
  await advanceUntil(world.clock, 'left', () => leave.isOver, 6_000);
  assert.deepEqual(world.machine.running, [web]);
});

test('a machine that goes down gives up the starts that are under way', async () => {
  const world = makeWorld();
  world.behaviours.set('db', { pullMs: 20_000 });
  const { agent } = await startNode(world);
  world.assign(keyOf('db'), { disconnect: 'stop' });
  await world.clock.advance(1_000);
  const leave = beginLeave(agent);
  await advanceUntil(world.clock, 'left', () => leave.isOver, 6_000);
  await world.clock.advance(30_000);
  assert.deepEqual(world.machine.running, []);
});
