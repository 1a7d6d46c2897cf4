import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { instanceCodec, nodeRecordCodec, nodeVerdictCodec, workloadCodec } from '../../../src/cluster/codecs.ts';
import type { WorkloadDocument } from '../../../src/domain/document.ts';
import { type InstanceKey, type NodeId, parseNodeId, parseWorkloadName } from '../../../src/domain/ids.ts';
import type { PlanAnswer, PlannedInstance, PlannedWorkload, PlanRequest } from '../../../src/wire/plan-answers.ts';
import {
  addNode,
  assign,
  container,
  type Fixture,
  layout,
  makeDocument,
  node1,
  node2,
  openFixture,
  report,
} from './api-fixture.ts';

const node3: NodeId = parseNodeId('3'.repeat(32));
const replicas = (count: number): Pick<WorkloadDocument, 'scale'> => ({ scale: { kind: 'replicas', replicas: count } });
const at = '2026-01-01T00:00:00.000Z';
const newImage = { ...container, image: 'nginx:2' };

/** Three nodes, of which `web` has an instance on each, settled. */
async function openCluster(t: TestContext, over: Partial<WorkloadDocument> = {}): Promise<Fixture> {
  const fixture = await openFixture(t);
  for (const [id, name] of [
    [node1, 'node1'],
    [node2, 'node2'],
    [node3, 'node3'],
  ] as const)
    await addNode(fixture, id, name);
  const { spec } = await fixture.client.apply(makeDocument('web', { ...replicas(3), ...over }), t.signal);
  for (const [slot, node] of [node1, node2, node3].entries())
    await settle(fixture, node, `web/${slot}` as InstanceKey, spec);
  return fixture;
}

async function settle(fixture: Fixture, node: NodeId, key: InstanceKey, spec: number): Promise<void> {
  const assignmentRevision = await assign(fixture, node, key, { spec });
  await report(fixture, node, key, { spec, assignmentRevision });
}

/** Plans, and makes sure that nothing was written. */
async function plan(fixture: Fixture, request: PlanRequest, signal: AbortSignal): Promise<PlanAnswer> {
  const { revision } = fixture.store;
  const answer = await fixture.client.plan(request, signal);
  assert.equal(fixture.store.revision, revision);
  assert.equal(answer.complete, true);
  return answer;
}

function planned({ workloads }: PlanAnswer, at = 0): PlannedWorkload {
  const found = workloads[at];
  assert.ok(found !== undefined && !('problem' in found), JSON.stringify(found));
  return found;
}

function draw(instances: readonly PlannedInstance[]): string[] {
  return instances.map(({ instance, action, from, to }) => {
    const way = [from?.hostname, to?.hostname].filter((name) => name !== undefined);
    return `${action} ${instance} ${way.join(' → ')}`.trim();
  });
}

test('what is so already changes nothing', async (t) => {
  const fixture = await openCluster(t);
  const answer = await plan(fixture, { documents: [makeDocument('web', replicas(3))] }, t.signal);
  assert.equal(answer.changes, false);
  const { action, fields, instances, newSpec } = planned(answer);
  assert.deepEqual([action, fields, instances, newSpec], ['none', [], [], false]);
});

test('a new spec restarts each instance where it is, and the fields that differ are told', async (t) => {
  const fixture = await openCluster(t);
  const run = { ...newImage, environment: { LEVEL: 'debug' } };
  const answer = await plan(fixture, { documents: [makeDocument('web', { ...replicas(3), run })] }, t.signal);
  const { action, fields, instances, newSpec, spec } = planned(answer);
  assert.deepEqual([answer.changes, action, newSpec], [true, 'change', true]);
  assert.deepEqual(fields, [
    { path: 'run.image', before: container.image, after: 'nginx:2' },
    { path: 'run.environment.LEVEL', after: 'debug' },
  ]);
  assert.deepEqual(draw(instances), [
    'restart web.0 node1 → node1',
    'restart web.1 node2 → node2',
    'restart web.2 node3 → node3',
  ]);
  assert.match(instances[0]?.reason ?? '', new RegExp(`^spec ${spec} is replaced by ${(spec ?? 0) + 1}$`));
});

test('another number of instances starts or stops some and leaves the others alone', async (t) => {
  const fixture = await openCluster(t);
  const fewer = planned(await plan(fixture, { documents: [makeDocument('web', replicas(1))] }, t.signal));
  assert.deepEqual(draw(fewer.instances), ['stop web.1 node2', 'stop web.2 node3']);
  assert.deepEqual(fewer.fields, [{ path: 'scale.replicas', before: 3, after: 1 }]);
  const more = planned(await plan(fixture, { documents: [makeDocument('web', replicas(5))] }, t.signal));
  assert.deepEqual(
    more.instances.map(({ action, instance }) => [action, instance]),
    [
      ['start', 'web.3'],
      ['start', 'web.4'],
    ],
  );
});

test('an instance whose node no longer does is moved, or waits with the reason of each node', async (t) => {
  const fixture = await openCluster(t);
  const on = (...values: string[]) => ({
    placement: { machineIds: values, machineOf: [], labels: [], conflicts: [], replaces: [] },
  });
  const moved = planned(
    await plan(fixture, { documents: [makeDocument('web', { ...replicas(3), ...on(node1) })] }, t.signal),
  );
  assert.deepEqual(draw(moved.instances), ['move web.1 node2 → node1', 'move web.2 node3 → node1']);
  const none = planned(await plan(fixture, { documents: [makeDocument('new', on('f'.repeat(32)))] }, t.signal));
  const [waits] = none.instances;
  assert.deepEqual(
    [waits?.action, waits?.nodes.map(({ node }) => node.hostname)],
    ['wait', ['node1', 'node2', 'node3']],
  );
  assert.match(waits?.reason ?? '', /none of 3 nodes fits/);
});

test('a removal stops what there is, and gives its room to what waits for it', async (t) => {
  const half = 600 * 2 ** 20;
  const fixture = await openCluster(t, { reserve: { memoryBytes: half } });
  await fixture.client.apply(makeDocument('big', { reserve: { memoryBytes: half } }), t.signal);
  const pending = { since: at, reason: 'none of 3 nodes fits', nodes: { [node1]: 'has no room' } };
  await fixture.put(layout.instance('big/0' as InstanceKey), instanceCodec.encode({ pending, copies: [], moves: [] }));
  const alone = await plan(fixture, { documents: [makeDocument('big', { reserve: { memoryBytes: half } })] }, t.signal);
  assert.deepEqual([alone.changes, draw(planned(alone).instances)], [false, ['wait big.0']]);
  const answer = await plan(fixture, { remove: ['web'] }, t.signal);
  assert.equal(planned(answer).action, 'remove');
  assert.deepEqual(draw(planned(answer).instances), ['stop web.0 node1', 'stop web.1 node2', 'stop web.2 node3']);
  assert.deepEqual(
    answer.others.map(({ action, instance }) => [action, instance]),
    [['start', 'big.0']],
  );
});

test('a stopped workload would start again; one on a lost node would be where the planner puts it', async (t) => {
  const fixture = await openCluster(t);
  const name = parseWorkloadName('web');
  const record = workloadCodec.decode(fixture.store.get(layout.workload(name))?.value ?? '', 'workload');
  await fixture.put(layout.workload(name), workloadCodec.encode({ ...record, desired: 'stop' }));
  const started = planned(await plan(fixture, { documents: [makeDocument('web', replicas(3))] }, t.signal));
  assert.equal(started.action, 'start');
  await fixture.put(layout.workload(name), workloadCodec.encode(record));
  await fixture.remove(layout.presence(node3));
  const verdict = nodeVerdictCodec.encode({ lostSince: at });
  await fixture.put(layout.verdict(node3), verdict);
  const answer = planned(
    await plan(fixture, { documents: [makeDocument('web', { ...replicas(3), run: newImage })] }, t.signal),
  );
  const [, , third] = answer.instances;
  assert.deepEqual([third?.action, third?.from?.hostname], ['move', 'node3']);
  assert.notEqual(third?.to?.hostname, 'node3');
});

test('nothing moves from a node that has registered since its verdict, and is away again: how long, nobody has said', async (t) => {
  const fixture = await openCluster(t);
  await fixture.put(layout.verdict(node3), nodeVerdictCodec.encode({ lostSince: at }));
  await addNode(fixture, node3, 'node3');
  await fixture.remove(layout.presence(node3));
  const answer = planned(
    await plan(fixture, { documents: [makeDocument('web', { ...replicas(3), run: newImage })] }, t.signal),
  );
  assert.notEqual(answer.instances[2]?.action, 'move');
});

test('a rollout stops at an instance that has failed, and says so', async (t) => {
  const fixture = await openCluster(t);
  const run = { ...container, image: 'broken' };
  const { spec } = await fixture.client.apply(makeDocument('web', { ...replicas(3), run }), t.signal);
  const assignmentRevision = await assign(fixture, node1, 'web/0' as InstanceKey, { spec });
  await report(fixture, node1, 'web/0' as InstanceKey, { spec, assignmentRevision, phase: 'failed', healthy: false });
  const answer = planned(await plan(fixture, { documents: [makeDocument('web', { ...replicas(4), run })] }, t.signal));
  assert.deepEqual(
    answer.instances.map(({ action, instance }) => [action, instance]),
    [['start', 'web.3']],
  );
});

test('many are planned in one go, and one that is refused holds up no other', async (t) => {
  const fixture = await openCluster(t);
  const documents = [makeDocument('a'), { name: 'bad' }, makeDocument('web', replicas(200)), makeDocument('a')];
  const answer = await plan(fixture, { documents, remove: ['none'] }, t.signal);
  const shown = answer.workloads.map((each) => ('problem' in each ? each.problem.code : `${each.action} ${each.name}`));
  assert.deepEqual(shown, ['create a', 'INVALID_INPUT', 'change web', 'INVALID_INPUT', 'NOT_FOUND']);
  assert.equal(planned(answer, 2).instances.length, 197);
});

test('hundreds of instances are restarted in few rounds', async (t) => {
  const fixture = await openFixture(t);
  for (const [id, name] of [
    [node1, 'node1'],
    [node2, 'node2'],
  ] as const) {
    await addNode(fixture, id, name);
    const record = nodeRecordCodec.decode(fixture.store.get(layout.nodeRecord(id))?.value ?? '', 'record');
    await fixture.put(
      layout.nodeRecord(id),
      nodeRecordCodec.encode({ ...record, capacity: { cpus: 64, memoryBytes: 2 ** 40 } }),
    );
  }
  const { spec } = await fixture.client.apply(makeDocument('web', replicas(400)), t.signal);
  for (let slot = 0; slot < 400; slot += 1)
    await settle(fixture, slot % 2 === 0 ? node1 : node2, `web/${slot}` as InstanceKey, spec);
  const document = makeDocument('web', { ...replicas(400), run: newImage });
  const { instances } = planned(await plan(fixture, { documents: [document] }, t.signal));
  assert.equal(instances.filter(({ action }) => action === 'restart').length, 400);
});

test('no plan is of more instances than an agent can plan without standing still', async (t) => {
  const fixture = await openCluster(t);
  const documents = [makeDocument('few', replicas(1)), makeDocument('many', replicas(10_000))];
  const { workloads } = await plan(fixture, { documents }, t.signal);
  assert.equal(planned({ workloads } as PlanAnswer).instances.length, 1);
  const [, refused] = workloads;
  assert.ok(refused !== undefined && 'problem' in refused, JSON.stringify(refused));
  assert.equal(refused.problem.code, 'LIMIT');
  assert.match(refused.problem.detail, /Cannot plan "many" .*: expected changes of at most 10000 instances/);
});

test('plans are made one after the other, and whoever comes when enough wait is told to come again', async (t) => {
  const fixture = await openCluster(t);
  const ask = async () =>
    fixture.fetch(
      new Request('http://muster/v1/plan', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ remove: ['web'] }),
      }),
    );
  const answers = await Promise.all(Array.from({ length: 6 }, ask));
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, 200, 200, 200, 429, 429],
  );
  assert.ok(answers.every(({ status, headers }) => status === 200 || headers.get('retry-after') === '1'));
  assert.equal((await ask()).status, 200);
});
