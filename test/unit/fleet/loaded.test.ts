import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseUnitDocument } from '../../../src/input/unit-document.ts';
import type { WorkloadAnswer } from '../../../src/wire/answers.ts';
import { FleetWorld } from './fleet-world.ts';

test('what is loaded is as desired, and says that something else starts it', async () => {
  const world = await FleetWorld.open();
  world.files.set('hello.service', '[Service]\nExecStart=/bin/sleep 1\n');
  await world.fleetctl('load hello');
  const response = await world.ask('GET', '/v1/workloads/hello.service');
  const { summary, instances } = (await response.json()) as WorkloadAnswer;
  assert.deepEqual([summary.converged, summary.running], [true, 0]);
  const [row] = instances[0]?.rows ?? [];
  assert.deepEqual([row?.phase, row?.loaded], ['stopped', true]);
  assert.match(row?.reason ?? '', /^loaded/);
});

test('a rollback and a restart of what is loaded leave no doubt about what runs', async () => {
  const world = await FleetWorld.open();
  world.files.set('hello.service', '[Service]\nExecStart=/bin/sleep 1\n');
  await world.fleetctl('load hello');
  const post = async (verb: string) => {
    const headers = { 'content-type': 'application/json' };
    return world.ask('POST', `/v1/workloads/hello.service/${verb}`, { body: '{}', headers });
  };
  assert.equal((await post('restart')).status, 200);
  await world.world.advance(5_000);
  assert.deepEqual(world.cluster.whereIs('hello.service/0'), [], 'it is installed anew, and still not started');
  assert.equal((await post('start')).status, 200);
  await world.cluster.converge();
  assert.equal(world.cluster.whereIs('hello.service/0').length, 1);
});

test('a unit file can say itself that it is only to be loaded, and a start by hand starts it', async () => {
  const world = await FleetWorld.open();
  const text = '[Service]\nExecStart=/bin/true\n[X-Muster]\nLaunch=false\n';
  const { document } = parseUnitDocument('job.service', text, { file: 'job.service', line: 1 });
  const send = async (method: string, path: string, body: object) => {
    const init = { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const response = await world.ask(method, `/v1/workloads/job.service${path}`, init);
    assert.equal(response.status, 200, await response.text());
  };
  await send('PUT', '', document);
  await world.world.advance(5_000);
  assert.deepEqual(
    world.cluster.machines.flatMap((machine) => machine.items.map(({ phase }) => phase)),
    ['stopped'],
  );
  await send('POST', '/start', {});
  await world.cluster.converge();
  assert.equal(world.cluster.whereIs('job.service/0').length, 1);
  await send('PUT', '', document);
  await world.world.advance(5_000);
  assert.equal(world.cluster.whereIs('job.service/0').length, 0, 'applied again, it is what its file says');
});
