import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advanceUntil } from '../../support/advance-until.ts';
import { openFakeRuntime } from '../../support/fake-runtime.ts';
import { beginLeave, clusterId, keyOf, makeWorld, phaseIs, startNode, type World, web } from './node-fixture.ts';

/** A runtime that can be made slow: it then answers what it was asked as of the time of the question. */
function openSlowRuntime(world: World) {
  const runtime = openFakeRuntime(world.machine, clusterId);
  const observe = runtime.observe.bind(runtime);
  let gate: Promise<void> | undefined;
  let looks = 0;
  runtime.observe = async (signal) => {
    looks += 1;
    const seen = await observe(signal);
    await gate;
    return seen;
  };
  /** Answers are held back from now on; what it returns lets them go. */
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    return () => {
      gate = undefined;
      resolve();
    };
  };
  return { runtime, hold, looks: () => looks };
}

async function startSlow() {
  const world = makeWorld();
  world.behaviours.set('web', { pullMs: 1_000 });
  const { runtime, hold, looks } = openSlowRuntime(world);
  const { agent } = await startNode(world, 4, runtime);
  await world.clock.advance(1_000);
  return { world, agent, hold, looks };
}

/** The agent starts again over what runs there, and its runtime has not answered since. */
async function startAgainOverSilence(disconnect: 'stop' | 'keep') {
  const world = makeWorld();
  const { end } = await startNode(world);
  world.assign(web, { disconnect });
  await advanceUntil(world.clock, 'runs', phaseIs(world, web, 'running'), 1_000);
  await end();
  const { runtime, hold } = openSlowRuntime(world);
  const release = hold();
  const { agent } = await startNode(world, 4, runtime);
  await world.clock.advance(5_000);
  return { world, agent, release };
}

/** A start of `web` is under way, and a look that was asked for in it hangs. */
async function startDuringSlowLook() {
  const slow = await startSlow();
  const { world, agent, hold } = slow;
  world.assign(web, { disconnect: 'stop' });
  await world.clock.advance(1);
  const release = hold();
  agent.nudge();
  await world.clock.advance(500);
  return { ...slow, release };
}

const switchCalls = ({ host }: World) => host.deadMansSwitch.calls.map(({ what }) => what);

test('a late look that was asked for before a start had ended does not disarm the switch', async () => {
  const { world, release } = await startDuringSlowLook();
  await world.clock.advance(4_500);
  assert.deepEqual(world.machine.running, [web]);
  release();
  await advanceUntil(world.clock, 'reported', phaseIs(world, web, 'running'), 1_000);
  assert.ok(!switchCalls(world).includes('disarm'));
});

test('nor does it once the order has gone meanwhile', async () => {
  const { world, hold, agent, release } = await startDuringSlowLook();
  await world.clock.advance(4_500);
  world.unassign(web);
  await world.clock.advance(100);
  release();
  const releaseNext = hold();
  agent.nudge();
  await world.clock.advance(5_000);
  releaseNext();
  await advanceUntil(world.clock, 'reported', phaseIs(world, web, 'orphan'), 1_000);
  assert.deepEqual(world.machine.running, [web]);
  assert.ok(!switchCalls(world).includes('disarm'));
});

test('a look at what a failed start has left disarms the switch', async () => {
  const { world, agent } = await startSlow();
  world.behaviours.set('web', { refusal: 'no such command' });
  world.assign(web, { disconnect: 'stop' });
  await advanceUntil(world.clock, 'failed', phaseIs(world, web, 'failed'), 1_000, 10);
  agent.nudge();
  await advanceUntil(world.clock, 'disarmed', () => switchCalls(world).includes('disarm'), 100, 10);
});

test('a node has not left before what it has started was looked at, and what that shows has ended', async () => {
  const slow = await startDuringSlowLook();
  const { world, release } = slow;
  await world.clock.advance(1_500);
  assert.deepEqual(world.machine.running, [web]);
  const leave = beginLeave(slow.agent);
  await world.clock.advance(8_000);
  assert.equal(leave.isOver, false);
  release();
  await advanceUntil(world.clock, 'left', () => leave.isOver, 3_000, 10);
  assert.deepEqual(world.machine.running, []);
  assert.equal(world.statusOf(web)?.phase, 'stopped');
});

test('a start of a keep instance that was not looked at does not hold up a leave', async () => {
  const slow = await startSlow();
  const { world, agent, hold } = slow;
  world.assign(keyOf('web'));
  await world.clock.advance(1);
  const release = hold();
  agent.nudge();
  await world.clock.advance(5_000);
  const leave = beginLeave(slow.agent);
  await advanceUntil(world.clock, 'left', () => leave.isOver, 100, 10);
  release();
});

test('an agent that starts again has not left before its runtime has answered it', async () => {
  const slow = await startAgainOverSilence('stop');
  const leave = beginLeave(slow.agent);
  await slow.world.clock.advance(8_000);
  assert.equal(leave.isOver, false);
  slow.release();
  await advanceUntil(slow.world.clock, 'left', () => leave.isOver, 3_000, 10);
  assert.deepEqual(slow.world.machine.running, []);
});

test('without an order for a stop instance, a runtime that has never answered does not hold up a leave', async () => {
  const slow = await startAgainOverSilence('keep');
  const leave = beginLeave(slow.agent);
  await advanceUntil(slow.world.clock, 'left', () => leave.isOver, 100, 10);
  slow.release();
});

test('a start that has just ended does not hold up a leave', async () => {
  const slow = await startSlow();
  const { world } = slow;
  world.assign(web, { disconnect: 'stop' });
  await advanceUntil(world.clock, 'started', () => world.machine.running.length === 1, 2_000, 1);
  const leave = beginLeave(slow.agent);
  world.assign(web, { disconnect: 'stop', order: 'stop' });
  await advanceUntil(world.clock, 'left', () => leave.isOver, 150, 10);
  assert.deepEqual(world.machine.running, []);
});

/** `web` runs, and a look that shows that is late. */
async function runWithLateLook() {
  const slow = await startSlow();
  const { world, agent, hold, looks } = slow;
  world.assign(web);
  await world.clock.advance(40_000);
  const release = hold();
  agent.nudge();
  await world.clock.advance(5_000);
  const before = looks();
  return { ...slow, release, looksSince: () => looks() - before };
}

for (const [when, waitMs] of [
  ['just before its answer', 0],
  ['some seconds before its answer', 2_000],
] as const) {
  test(`what a late look has missed is seen soon: an end ${when}`, async () => {
    const { world, release, looksSince } = await runWithLateLook();
    world.machine.kill(web);
    if (waitMs > 0) await world.clock.advance(waitMs);
    release();
    await advanceUntil(world.clock, 'restarted', () => world.machine.running.length === 1, 5_000);
    assert.ok(looksSince() <= 10, `${looksSince()} looks`);
  });
}

test('a late look during which nothing has changed is followed by none', async () => {
  const { world, release, looksSince } = await runWithLateLook();
  release();
  await world.clock.advance(10_000);
  assert.equal(looksSince(), 0);
});
