import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { nodeSettingsCodec } from '../../../src/cluster/codecs.ts';
import type { InstanceKey } from '../../../src/domain/ids.ts';
import type { InstancesAnswer, NodesAnswer, WorkloadsAnswer } from '../../../src/wire/answers.ts';
import { rawRequest } from '../../support/raw-request.ts';
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

async function openPopulated(t: TestContext): Promise<Fixture> {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  await addNode(fixture, node2, 'node2');
  const settings = { cordoned: false, draining: false, labels: { zone: 'b' } };
  await fixture.put(layout.nodeSettings(node2), nodeSettingsCodec.encode(settings));
  const documents = [
    makeDocument('web', { run: { ...container, labels: { team: 'shop' } }, scale: { kind: 'replicas', replicas: 12 } }),
    makeDocument('batch.service'),
    makeDocument('idle.service'),
  ];
  for (const document of documents) await fixture.client.apply(document, t.signal);
  for (let slot = 0; slot < 12; slot += 1) {
    const key = `web/${slot}` as InstanceKey;
    const node = slot % 2 === 0 ? node1 : node2;
    const assignmentRevision = await assign(fixture, node, key);
    await report(fixture, node, key, {
      assignmentRevision,
      ...(slot === 3 ? { phase: 'failed', healthy: false } : {}),
    });
  }
  const batch = 'batch.service/0' as InstanceKey;
  await report(fixture, node2, batch, { assignmentRevision: await assign(fixture, node2, batch) });
  return fixture;
}

async function get<T>({ socketPath }: Fixture, path: string, status = 200): Promise<T> {
  const answer = await rawRequest(socketPath, { path });
  assert.equal(answer.status, status, answer.text);
  return answer.json<T>();
}

test('pages follow each other in the order of the whole, and what comes or goes meanwhile neither repeats nor hides another', async (t) => {
  const fixture = await openPopulated(t);
  const whole = (await get<InstancesAnswer>(fixture, '/v1/instances?workload=web')).rows.map(({ display }) => display);
  assert.deepEqual([whole.length, whole[2], whole[10]], [12, 'web.2', 'web.10']);
  const seen: string[] = [];
  for (let page: string | undefined = '', nth = 0; page !== undefined; nth += 1) {
    const at = page === '' ? '' : `&page=${page}`;
    const answer: InstancesAnswer = await get(fixture, `/v1/instances?workload=web&limit=5${at}`);
    seen.push(...answer.rows.map(({ display }) => display));
    page = answer.next;
    if (nth === 0) for (const slot of [1, 4]) await forget(fixture, `web/${slot}` as InstanceKey);
  }
  assert.deepEqual(seen, whole);
  const names = await get<WorkloadsAnswer>(fixture, '/v1/workloads?limit=2');
  assert.deepEqual(
    names.workloads.map(({ name }) => name),
    ['batch.service', 'idle.service'],
  );
  const rest = await get<WorkloadsAnswer>(fixture, `/v1/workloads?limit=2&page=${names.next ?? ''}`);
  assert.deepEqual([rest.workloads.map(({ name }) => name), rest.next], [['web'], undefined]);
  const nodes = await get<NodesAnswer>(fixture, '/v1/nodes?limit=1');
  const last = await get<NodesAnswer>(fixture, `/v1/nodes?page=${nodes.next ?? ''}`);
  assert.deepEqual(
    [...nodes.nodes, ...last.nodes].map(({ hostname }) => hostname),
    ['node1', 'node2'],
  );
});

/** A row of a page that was shown already is gone: its order and record. The instance itself stays wanted. */
async function forget(fixture: Fixture, key: InstanceKey): Promise<void> {
  for (const node of [node1, node2]) {
    await fixture.remove(layout.assignment(node, key));
    await fixture.remove(layout.status(node, key));
  }
  await fixture.remove(layout.instance(key));
}

test('listings are narrowed by label, node and phase, all of which must hold', async (t) => {
  const fixture = await openPopulated(t);
  const instances = async (query: string) =>
    (await get<InstancesAnswer>(fixture, `/v1/instances?${query}`)).rows.map(({ display }) => display);
  const workloads = async (query: string) =>
    (await get<WorkloadsAnswer>(fixture, `/v1/workloads?${query}`)).workloads.map(({ name }) => name);
  const nodes = async (query: string) =>
    (await get<NodesAnswer>(fixture, `/v1/nodes?${query}`)).nodes.map(({ hostname }) => hostname);
  assert.equal((await instances('label=team%3Dshop')).length, 12);
  assert.equal((await instances('label=zone%3Db')).length, 7);
  assert.equal((await instances('label=zone%3Db&label=team%3Dshop')).length, 6);
  assert.deepEqual(await instances('phase=failed'), ['web.3']);
  assert.deepEqual(await instances('phase=failed&phase=pending'), ['idle.service', 'web.3']);
  assert.deepEqual(await instances('node=node1&phase=failed'), []);
  assert.deepEqual(await instances('name=web.3&node=2222'), ['web.3']);
  assert.deepEqual(await workloads('label=team%3Dshop'), ['web']);
  assert.deepEqual(await workloads('node=node2'), ['batch.service', 'web']);
  assert.deepEqual(await workloads('phase=pending'), ['idle.service']);
  assert.deepEqual(await nodes('label=zone%3Db'), ['node2']);
  assert.deepEqual(await nodes('phase=up&node=node1'), ['node1']);
  assert.deepEqual(await nodes('phase=lost'), []);
});

test('a filter or a page that makes no sense is refused with what would', async (t) => {
  const fixture = await openPopulated(t);
  const wrong: [path: string, status: number, expected: RegExp][] = [
    ['/v1/instances?phase=dead', 400, /one of pending, pulling/],
    ['/v1/nodes?phase=running', 400, /one of up, leaving/],
    ['/v1/workloads?label=zone', 400, /key=value/],
    ['/v1/workloads?limit=0', 400, /1 to 1000/],
    ['/v1/workloads?limit=9999', 400, /1 to 1000/],
    ['/v1/workloads?page=%00', 400, /"next"/],
    ['/v1/workloads?page=eyJ4IjoxfQ', 400, /"next"/],
  ];
  for (const [path, status, expected] of wrong) {
    assert.match((await get<{ expected?: string }>(fixture, path, status)).expected ?? '', expected, path);
  }
  await get(fixture, '/v1/instances?node=nowhere', 404);
});
