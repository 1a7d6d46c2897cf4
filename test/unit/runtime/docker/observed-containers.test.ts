import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterId } from '../../../../src/domain/ids.ts';
import { Containers } from '../../../../src/runtime/docker/containers.ts';
import type { Engine, EngineCall } from '../../../../src/runtime/docker/engine.ts';
import type { LostOutcome } from '../../../../src/runtime/docker/lost-processes.ts';
import { ObservedContainers } from '../../../../src/runtime/docker/observed-containers.ts';
import { FakeClock, settle } from '../../../support/fake-clock.ts';

const cluster = 'ours' as ClusterId;
const { signal } = new AbortController();
const labels = (workload: string) => ({
  'muster.managed': 'true',
  'muster.cluster': 'ours',
  'muster.workload': workload,
  'muster.slot': '0',
});

/** A daemon of a few lines that counts what it's asked. */
function setUp(count: number) {
  const clock = new FakeClock();
  const startedAt = clock.wallTime().toISOString();
  const states = new Map(Array.from({ length: count }, (_, at) => [`id${at}`, { State: 'running', Status: 'Up' }]));
  const asked: string[] = [];
  let gate: Promise<void> | undefined;
  let listGate: Promise<void> | undefined;
  let isFailing = false;
  const broken = new Set<string>();
  let end: () => LostOutcome = () => 'ended';
  const engine: Engine = {
    async call(call: EngineCall) {
      asked.push(call.path);
      const reply = (body: unknown) => ({ status: 200, body, message: '' });
      if (call.path === '/containers/json') {
        const listed = [...states].map(([Id, state]) => ({ Id, ...state, Labels: labels(Id) }));
        await listGate;
        return reply(listed);
      }
      if (isFailing) throw new Error('the daemon is away');
      const id = call.path.split('/')[2] ?? '';
      if (broken.has(id)) return { status: 500, body: {}, message: 'RWLayer is unexpectedly nil' };
      const status = states.get(id)?.State;
      await gate;
      if (status === undefined) return { status: 404, body: undefined, message: 'gone' };
      return reply({ Id: id, Config: { Labels: labels(id) }, State: { Status: status, StartedAt: startedAt } });
    },
    stream: () => Promise.reject(new Error('not used')),
    hijack: () => Promise.reject(new Error('not used')),
    version: async () => '1',
    isAbsent: () => false,
    close: () => {},
  };
  const observed = new ObservedContainers(new Containers(engine, cluster), { end: async () => end() }, cluster, clock);
  const pass = async () => {
    asked.length = 0;
    const phases = (await observed.observe(signal)).map(({ key, phase }) => `${key} ${phase}`);
    return { phases, asked: asked.length };
  };
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    const holdNoMore = () => {
      gate = undefined;
    };
    return { release: resolve, holdNoMore };
  };
  const holdList = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    listGate = promise;
    return resolve;
  };
  const fail = (isAway: boolean) => {
    isFailing = isAway;
  };
  const onEnd = (outcome: () => LostOutcome) => {
    end = outcome;
  };
  return { clock, states, observed, broken, pass, hold, holdList, fail, onEnd };
}

test('a container that is dead, and of which something runs, is stopping, and looked at until nothing does', async () => {
  const { observed, states, pass, onEnd } = setUp(1);
  observed.setEvents(true);
  states.set('id0', { State: 'exited', Status: 'Exited (0)' });
  onEnd(() => 'runs');
  assert.deepEqual((await pass()).phases, ['id0/0 stopping']);
  assert.deepEqual(await pass(), { phases: ['id0/0 stopping'], asked: 1 });
  onEnd(() => 'ended');
  assert.deepEqual((await pass()).phases, ['id0/0 stopped']);
  assert.equal((await pass()).asked, 0);
});

test('an idle pass costs no call, an event one inspection', async () => {
  const { observed, pass } = setUp(20);
  observed.setEvents(true);
  assert.equal((await pass()).asked, 21);
  assert.equal((await pass()).asked, 0);
  observed.forget('id3');
  assert.equal((await pass()).asked, 1);
  assert.equal((await pass()).asked, 0);
});

test('what an event tells of is found without a listing, and what is gone is forgotten', async () => {
  const { observed, states, pass } = setUp(1);
  observed.setEvents(true);
  await pass();
  states.set('id7', { State: 'running', Status: 'Up' });
  observed.forget('id7');
  assert.deepEqual(await pass(), { phases: ['id0/0 running', 'id7/0 running'], asked: 1 });
  assert.equal((await pass()).asked, 0);
  states.delete('id7');
  observed.forget('id7');
  assert.deepEqual(await pass(), { phases: ['id0/0 running'], asked: 1 });
  assert.equal((await pass()).asked, 0);
});

test('what comes while all are listed, and is not in the listing, is found', async () => {
  const { observed, states, pass, holdList } = setUp(1);
  observed.setEvents(true);
  const release = holdList();
  const passing = pass();
  await settle();
  states.set('id7', { State: 'running', Status: 'Up' });
  observed.forget('id7');
  release();
  await passing;
  assert.deepEqual((await pass()).phases, ['id0/0 running', 'id7/0 running']);
});

test('what one look has found since is not lost to a look beside it that listed before', async () => {
  const { observed, states, pass, holdList } = setUp(1);
  observed.setEvents(true);
  const releaseFirst = holdList();
  const first = pass();
  await settle();
  const releaseSecond = holdList();
  const second = pass();
  await settle();
  states.set('id7', { State: 'created', Status: 'Created' });
  observed.forget('id7');
  releaseFirst();
  assert.deepEqual((await first).phases, ['id0/0 running', 'id7/0 stopped']);
  releaseSecond();
  assert.deepEqual((await second).phases, ['id0/0 running', 'id7/0 stopped']);
  assert.deepEqual((await pass()).phases, ['id0/0 running', 'id7/0 stopped']);
});

test('what one look has been told of is seen by a look beside it', async () => {
  const { observed, states, pass, hold } = setUp(1);
  observed.setEvents(true);
  await pass();
  states.set('id7', { State: 'running', Status: 'Up' });
  observed.forget('id7');
  const { release } = hold();
  const looks = [pass()];
  await settle();
  looks.push(pass());
  await settle();
  release();
  for (const { phases } of await Promise.all(looks)) assert.deepEqual(phases, ['id0/0 running', 'id7/0 running']);
});

test('an event overtakes each of two inspections of one container', async () => {
  const { observed, states, pass, hold } = setUp(1);
  observed.setEvents(true);
  await pass();
  observed.forget('id0');
  const { release, holdNoMore } = hold();
  const first = pass();
  await settle();
  holdNoMore();
  await pass();
  states.set('id0', { State: 'exited', Status: 'Exited (0)' });
  observed.forget('id0');
  assert.deepEqual((await pass()).phases, ['id0/0 stopped']);
  release();
  await first;
  assert.deepEqual((await pass()).phases, ['id0/0 stopped']);
});

test('a container that dockerd fails to inspect is shown as it is listed, and hides no other', async () => {
  const { observed, broken, states, pass } = setUp(3);
  observed.setEvents(true);
  for (const id of ['id1', 'id2']) broken.add(id);
  states.set('id2', { State: 'dead', Status: 'Dead' });
  const phases = ['id0/0 running', 'id1/0 running', 'id2/0 failed'];
  assert.deepEqual((await pass()).phases, phases);
  const [, running] = await observed.observe(signal);
  assert.match(running?.error ?? '', /RWLayer is unexpectedly nil/);
  assert.equal(running?.everStarted, true);
  broken.clear();
  assert.deepEqual((await pass()).phases, phases);
  assert.equal((await observed.observe(signal))[1]?.error, undefined);
});

test('after a failure all are listed anew', async () => {
  const { observed, states, pass, fail } = setUp(1);
  observed.setEvents(true);
  await pass();
  states.set('id7', { State: 'running', Status: 'Up' });
  observed.forget('id7');
  fail(true);
  await assert.rejects(pass());
  fail(false);
  assert.deepEqual((await pass()).phases, ['id0/0 running', 'id7/0 running']);
});

test('without events nothing is remembered', async () => {
  const { observed, pass } = setUp(3);
  assert.equal((await pass()).asked, 4);
  assert.equal((await pass()).asked, 4);
  observed.setEvents(true);
  await pass();
  observed.setEvents(false);
  assert.equal((await pass()).asked, 4);
});

test('a change that the listing shows is inspected although no event came', async () => {
  const { clock, observed, states, pass } = setUp(3);
  observed.setEvents(true);
  await pass();
  states.set('id1', { State: 'exited', Status: 'Exited (0)' });
  await clock.advance(60_000);
  assert.deepEqual(await pass(), { phases: ['id0/0 running', 'id1/0 stopped', 'id2/0 running'], asked: 2 });
  states.set('id2', { State: 'running', Status: 'Up 2 minutes (unhealthy)' });
  await clock.advance(60_000);
  assert.equal((await pass()).asked, 2);
  states.set('id2', { State: 'running', Status: 'Up 3 minutes (unhealthy)' });
  await clock.advance(60_000);
  assert.equal((await pass()).asked, 1, 'time alone is no change');
});

test('what an event overtakes while it is inspected is inspected again', async () => {
  const { observed, pass, hold } = setUp(1);
  observed.setEvents(true);
  const { release } = hold();
  const passing = pass();
  await settle();
  observed.forget('id0');
  release();
  assert.equal((await passing).asked, 3, 'a list and two inspections');
  assert.equal((await pass()).asked, 0);
});

test('a container that is started while it is inspected is not told to be down', async () => {
  const { observed, states, pass, onEnd } = setUp(1);
  observed.setEvents(true);
  states.set('id0', { State: 'exited', Status: 'Exited (0)' });
  onEnd(() => {
    states.set('id0', { State: 'running', Status: 'Up' });
    return 'alive';
  });
  assert.deepEqual((await pass()).phases, ['id0/0 running']);
});

test('time goes on for what is remembered, on the monotonic clock', async () => {
  const { clock, observed } = setUp(1);
  observed.setEvents(true);
  await observed.observe(signal);
  clock.stepWall(3_600_000);
  await clock.advance(4_000);
  assert.equal((await observed.observe(signal))[0]?.runningForMs, 4_000);
});

test('what is removed between listing and inspection is left out', async () => {
  const { observed, states, pass, hold } = setUp(2);
  observed.setEvents(true);
  const { release } = hold();
  const passing = observed.observe(signal);
  states.delete('id1');
  release();
  assert.deepEqual(
    (await passing).map(({ key }) => key),
    ['id0/0'],
  );
  assert.equal((await pass()).asked, 0);
});

test('what a stop of ours is ending is stopping, then stopped whatever its exit', async () => {
  const { observed, states, pass } = setUp(1);
  observed.setEvents(true);
  observed.stopBegins('id0');
  assert.deepEqual((await pass()).phases, ['id0/0 stopping']);
  states.set('id0', { State: 'exited', Status: 'Exited (137)' });
  observed.stopEnds('id0');
  assert.deepEqual((await pass()).phases, ['id0/0 stopped']);
});
