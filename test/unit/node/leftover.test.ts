import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advanceUntil } from '../../support/advance-until.ts';
import { openFakeRuntime } from '../../support/fake-runtime.ts';
import { recordWatch } from '../../support/record-watch.ts';
import { clusterId, layout, makeWorld, node, phaseIs, startNode, web } from './node-fixture.ts';

test('what is left of an instance without an order goes without a word in the store', async () => {
  const world = makeWorld();
  const runtime = openFakeRuntime(world.machine, clusterId);
  const remove = runtime.remove.bind(runtime);
  runtime.remove = async (key, signal) => {
    await world.clock.sleep(500, signal);
    await remove(key, signal);
  };
  await startNode(world, 4, runtime);
  world.assign(web);
  await advanceUntil(world.clock, 'running', phaseIs(world, web, 'running'), 1_000);
  world.assign(web, { order: 'stop' });
  await advanceUntil(world.clock, 'stopped', phaseIs(world, web, 'stopped'), 1_000);
  const stop = new AbortController();
  const range = { prefix: layout.statusesOf(node) };
  const { events, ended } = recordWatch(world.store.client(), range, world.store.revision + 1, stop.signal);
  world.unassign(web);
  await advanceUntil(world.clock, 'removed', () => !world.machine.items.has(web), 1_000);
  await world.clock.advance(10_000);
  stop.abort();
  await world.clock.advance(0);
  await ended.catch(() => undefined);
  assert.deepEqual(
    events.filter(({ type }) => type === 'put'),
    [],
  );
});
