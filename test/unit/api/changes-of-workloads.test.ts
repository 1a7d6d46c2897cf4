import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { specCodec, workloadCodec } from '../../../src/cluster/codecs.ts';
import { AgentError, type ErrorCode } from '../../../src/domain/errors.ts';
import { type InstanceKey, parseWorkloadName } from '../../../src/domain/ids.ts';
import type { Problem } from '../../../src/wire/problem.ts';
import { rawRequest } from '../../support/raw-request.ts';
import {
  addNode,
  assign,
  container,
  type Fixture,
  layout,
  makeDocument,
  node1,
  openFixture,
  report,
} from './api-fixture.ts';

const web = parseWorkloadName('web');
const signal = (t: TestContext) => t.signal;

function refusal(code: ErrorCode, text: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof AgentError, String(error));
    assert.deepEqual([error.code, text.test(error.message)], [code, true], error.message);
    return true;
  };
}

const stored = ({ store }: Fixture) => workloadCodec.decode(store.get(layout.workload(web))?.value ?? '', 'workload');

test('scale writes the number once, and refuses what is global, going or not there', async (t) => {
  const fixture = await openFixture(t);
  const { client } = fixture;
  const { spec } = await client.apply(makeDocument('web'), signal(t));
  const scaled = await client.scale('web', 3, signal(t));
  assert.deepEqual([scaled.changed, scaled.replicas, scaled.spec], [true, 3, spec]);
  assert.deepEqual(stored(fixture).scale, { kind: 'replicas', replicas: 3 });
  assert.equal((await client.scale('web', 3, signal(t))).changed, false);
  await assert.rejects(client.scale('web', 10_001, signal(t)), refusal('LIMIT', /at most 10000/));
  await assert.rejects(client.scale('none', 1, signal(t)), refusal('NOT_FOUND', /Cannot find workload "none"/));
  await client.apply(makeDocument('all', { scale: { kind: 'global' } }), signal(t));
  await assert.rejects(client.scale('all', 2, signal(t)), refusal('CONFLICT', /it is global/));
  await client.remove('web', signal(t));
  await assert.rejects(client.scale('web', 1, signal(t)), refusal('CONFLICT', /being removed/));
});

test('each restart has a greater number than any before it; one of all takes the place of those of single instances', async (t) => {
  const fixture = await openFixture(t);
  const { client } = fixture;
  await client.apply(makeDocument('web', { scale: { kind: 'replicas', replicas: 3 } }), signal(t));
  const one = await client.restart('web', 'web.1', signal(t));
  assert.equal(one.instance, 'web/1');
  const first = stored(fixture).restart?.slots['1'] ?? 0;
  assert.ok(first > 0);
  await client.restart('web', '1', signal(t));
  assert.ok((stored(fixture).restart?.slots['1'] ?? 0) > first);
  await client.restart('web', undefined, signal(t));
  const { all = 0, slots } = stored(fixture).restart ?? { slots: {} };
  assert.ok(all > first);
  assert.deepEqual(slots, {});
  await client.apply(makeDocument('web', { scale: { kind: 'replicas', replicas: 3 } }), signal(t));
  assert.equal(stored(fixture).restart?.all, all, 'the same document again orders no other');
  await assert.rejects(client.restart('web', 'web.7', signal(t)), refusal('NOT_FOUND', /instance "web.7" of "web"/));
  await client.stop('web', signal(t));
  await assert.rejects(client.restart('web', undefined, signal(t)), refusal('CONFLICT', /it is stopped/));
});

test('a copy counts as up to date once it answers an order of the last restart', async (t) => {
  const fixture = await openFixture(t);
  const { client } = fixture;
  await addNode(fixture, node1, 'node1');
  const { spec } = await client.apply(makeDocument('web'), signal(t));
  const key = 'web/0' as InstanceKey;
  const assignmentRevision = await assign(fixture, node1, key, { spec });
  await report(fixture, node1, key, { spec, assignmentRevision });
  const isConverged = async () => (await client.explain('web', signal(t))).summary.converged;
  assert.equal(await isConverged(), true);
  await client.restart('web', undefined, signal(t));
  const waiting = await client.explain('web', signal(t));
  assert.equal(waiting.summary.converged, false);
  assert.equal(waiting.instances[0]?.waitsFor, 'its turn to be restarted');
  assert.deepEqual(
    waiting.summary.problems.map(({ text }) => text),
    ['is still to be restarted'],
  );
  const restart = stored(fixture).restart?.all ?? 0;
  const ordered = await assign(fixture, node1, key, { spec, restart });
  assert.equal(await isConverged(), false);
  await report(fixture, node1, key, { spec, assignmentRevision: ordered, restart });
  assert.equal(await isConverged(), true);
});

test('a rollback brings the last other spec back under a new number, and again the one before', async (t) => {
  const fixture = await openFixture(t);
  const { client, store } = fixture;
  const memoryBytes = 64 * 1024 * 1024;
  const first = await client.apply(makeDocument('web', { reserve: { memoryBytes } }), signal(t));
  const second = await client.apply(makeDocument('web', { run: { ...container, image: 'nginx:2' } }), signal(t));
  assert.equal(stored(fixture).needs.memoryBytes, 0);
  const back = await client.rollback('web', undefined, signal(t));
  assert.deepEqual([back.changed, back.to, back.spec], [true, first.spec, second.spec + 1]);
  assert.equal(stored(fixture).needs.memoryBytes, memoryBytes, 'what was set aside for it comes back too');
  const spec = specCodec.decode(store.get(layout.spec(web, back.spec))?.value ?? '', 'spec');
  assert.deepEqual([spec.run, spec.rollbackTo], [container, first.spec]);
  const again = await client.apply(makeDocument('web', { reserve: { memoryBytes } }), signal(t));
  assert.deepEqual([again.changed, again.spec], [false, back.spec]);
  const forth = await client.rollback('web', undefined, signal(t));
  assert.equal(forth.to, second.spec);
  const named = await client.rollback('web', first.spec, signal(t));
  assert.deepEqual([named.to, named.changed], [first.spec, true]);
  assert.equal((await client.rollback('web', named.spec, signal(t))).changed, false);
  await assert.rejects(
    client.rollback('web', 99_999, signal(t)),
    refusal('NOT_FOUND', /to spec 99999: expected an earlier/),
  );
  await client.apply(makeDocument('one'), signal(t));
  await assert.rejects(client.rollback('one', undefined, signal(t)), refusal('NOT_FOUND', /expected an earlier spec/));
});

test('revisions tell each spec that is kept, when it was submitted and what it brought back', async (t) => {
  const { client } = await openFixture(t);
  const first = await client.apply(makeDocument('web'), signal(t));
  const second = await client.apply(makeDocument('web', { run: { ...container, image: 'nginx:2' } }), signal(t));
  const back = await client.rollback('web', undefined, signal(t));
  const { revisions } = await client.revisions('web', signal(t));
  assert.deepEqual(
    revisions.map(({ spec, present, image, rollbackTo }) => [spec, present, image, rollbackTo]),
    [
      [first.spec, false, container.image, undefined],
      [second.spec, false, 'nginx:2', undefined],
      [back.spec, true, container.image, first.spec],
    ],
  );
  assert.ok(revisions.every(({ at }) => at !== undefined && !Number.isNaN(Date.parse(at))));
  const { run } = await client.revision('web', second.spec, signal(t));
  assert.equal(run.kind === 'container' ? run.image : '', 'nginx:2');
  await assert.rejects(client.revision('web', 77_777, signal(t)), refusal('NOT_FOUND', /expected one of/));
});

test('a condition that does not hold is answered 412 with what is there, and changes nothing', async (t) => {
  const { client, socketPath, store } = await openFixture(t);
  const { spec } = await client.apply(makeDocument('web'), signal(t));
  const ask = (method: string, path: string, headers: Record<string, string>, body?: unknown) =>
    rawRequest(socketPath, { method, path, headers, ...(body === undefined ? {} : { body }) });
  const document = makeDocument('web', { run: { ...container, image: 'nginx:2' } });
  const stale = { 'if-match': `"${spec + 1}"` };
  const calls: [method: string, path: string, body?: unknown][] = [
    ['PUT', '/v1/workloads/web', document],
    ['DELETE', '/v1/workloads/web'],
    ['POST', '/v1/workloads/web/stop'],
    ['POST', '/v1/workloads/web/start'],
    ['POST', '/v1/workloads/web/restart'],
    ['POST', '/v1/workloads/web/scale', { replicas: 5 }],
    ['POST', '/v1/workloads/web/rollback', {}],
  ];
  const { revision } = store;
  for (const [method, path, body] of calls) {
    const answer = await ask(method, path, stale, body);
    const problem = answer.json<Problem>();
    assert.deepEqual([answer.status, problem.code, problem.current?.spec], [412, 'STALE', spec], `${method} ${path}`);
    assert.equal(answer.headers['etag'], `"${spec}"`);
    assert.match(problem.expected ?? '', new RegExp(`^spec ${spec + 1}$`));
  }
  assert.equal(store.revision, revision);
  assert.equal((await ask('PUT', '/v1/workloads/web', { 'if-none-match': '*' }, document)).status, 412);
  assert.equal((await ask('PUT', '/v1/workloads/new', { 'if-match': '*' }, makeDocument('new'))).status, 412);
  assert.equal((await ask('PUT', '/v1/workloads/web', { 'if-match': '12' }, document)).status, 400);
  assert.equal((await ask('PUT', '/v1/workloads/web', { 'if-match': `W/"${spec}"` }, document)).status, 400);
  const shown = await ask('GET', '/v1/workloads/web', {});
  const held = await ask('PUT', '/v1/workloads/web', { 'if-match': `"1", ${String(shown.headers['etag'])}` }, document);
  assert.deepEqual([held.status, held.headers['etag']], [200, `"${spec + 1}"`]);
  const created = await ask('PUT', '/v1/workloads/new', { 'if-none-match': '*' }, makeDocument('new'));
  assert.equal(created.status, 200);
});
