import assert from 'node:assert/strict';
import { test } from 'node:test';
import { specCodec } from '../../../src/cluster/codecs.ts';
import { parseWorkloadName } from '../../../src/domain/ids.ts';
import { advanceUntil } from '../../support/advance-until.ts';
import { keyOf, layout, makeWorld, phaseIs, startNode, web } from './node-fixture.ts';

const exact = keyOf('exact');

/** A node that runs one instance of each mode, and then finds its store to be in doubt. */
async function makeDoubting() {
  const world = makeWorld();
  const { agent, rights } = await startNode(world);
  world.assign(web);
  world.assign(exact, { disconnect: 'stop' });
  await advanceUntil(world.clock, 'running', () => world.machine.running.length === 2, 2_000);
  await world.clock.advance(5_000);
  rights.isStoreTrusted = false;
  agent.nudge();
  await world.clock.advance(100);
  return { world, agent, rights };
}

test('in doubt no order is acted on: nothing starts, nothing is stopped or removed', async () => {
  const { world, agent, rights } = await makeDoubting();
  world.assign(web, { order: 'stop' });
  world.assign(keyOf('other'));
  world.unassign(exact);
  await world.clock.advance(120_000);
  assert.deepEqual(world.machine.running, [exact, web]);
  rights.isStoreTrusted = true;
  agent.nudge();
  const expected = [exact, keyOf('other')].join();
  await advanceUntil(world.clock, 'the orders are followed', () => world.machine.running.join() === expected, 2_000);
  await advanceUntil(world.clock, 'the orphan is reported', phaseIs(world, exact, 'orphan'), 2_000);
});

test('in doubt what ended is not started again, and is once the doubt is over', async () => {
  const { world, agent, rights } = await makeDoubting();
  world.machine.powerOff();
  await world.clock.advance(120_000);
  assert.deepEqual(world.machine.running, []);
  rights.isStoreTrusted = true;
  agent.nudge();
  await advanceUntil(world.clock, 'both run', () => world.machine.running.length === 2, 2_000);
});

test('in doubt the deadline counts as ever', async () => {
  const { world, agent, rights } = await makeDoubting();
  rights.fenced = true;
  agent.nudge();
  await advanceUntil(world.clock, 'the stop instance has ended', () => !world.machine.running.includes(exact), 2_000);
  assert.deepEqual(world.machine.running, [web]);
});

test('an order of before the store was set back is not held against the spec that now has its number', async () => {
  const world = makeWorld();
  const backup = world.store.snapshot();
  const { agent, rights } = await startNode(world);
  world.assign(web);
  await advanceUntil(world.clock, 'it runs', phaseIs(world, web, 'running'), 5_000);
  const { key, value } = world.store.get(layout.spec(parseWorkloadName('web'), 1))!;
  world.store.restore(backup);
  world.put(key, specCodec.encode({ ...specCodec.decode(value, key), hash: 'another' }));
  rights.epoch = 2;
  agent.nudge();
  await advanceUntil(world.clock, 'the orphan is reported', phaseIs(world, web, 'orphan'), 5_000);
  assert.deepEqual(world.machine.running, [web]);
  assert.ok(!world.machine.calls.includes(`stop ${web}`), 'it was never stopped');
});
