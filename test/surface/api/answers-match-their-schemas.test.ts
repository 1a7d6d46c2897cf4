import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { documentedRoutes, renderOpenApi, routeKey, schemaOf } from '../../../scripts/lib/open-api.ts';
import type { Caller } from '../../../src/api/caller.ts';
import { routeSchemas } from '../../../src/wire/route-schemas.ts';
import { checkAnswer, checkProblem } from '../../support/answer-checker.ts';
import { firstLine, type RawAnswer, type RawRequest, rawRequest } from '../../support/raw-request.ts';
import { container, type Fixture, layout, makeDocument, node1, node2 } from '../../unit/api/api-fixture.ts';
import { openPopulated } from '../../unit/api/populated.ts';

/** Every route is asked, in this order; what is asked well is held against the route's schema, what is not against a problem's. */

interface Asked extends Omit<RawRequest, 'method'> {
  readonly status?: number;
  /** Not over the socket, but as this one. */
  readonly caller?: Caller;
}

const request = '-----BEGIN CERTIFICATE REQUEST-----\n';
const peer: Caller = { via: 'tls', role: 'node', name: node1 };

const changed = makeDocument('web', {
  run: { ...container, image: 'nginx:3' },
  scale: { kind: 'replicas', replicas: 3 },
});
const calls: Readonly<Record<string, readonly Asked[]>> = {
  'GET /openapi.json': [{ path: '/openapi.json' }],
  'GET /healthz': [{ path: '/healthz' }],
  'GET /readyz': [{ path: '/readyz' }],
  'GET /metrics': [{ path: '/metrics' }],
  'GET /v1/version': [{ path: '/v1/version' }],
  'GET /v1/status': [{ path: '/v1/status' }],
  'GET /v1/cluster': [{ path: '/v1/cluster' }],
  'GET /v1/cluster/doubts': [{ path: '/v1/cluster/doubts' }],
  'GET /v1/changes': [{ path: '/v1/changes' }],
  'GET /v1/events': [
    { path: '/v1/events?since=1' },
    { path: '/v1/events?label=zone%3Db&phase=failed' },
    { path: '/v1/events?phase=lost', status: 400 },
  ],
  'GET /v1/node': [{ path: '/v1/node' }],
  'GET /v1/stats': [{ path: '/v1/stats' }, { path: '/v1/stats?node=node1&phase=running&label=zone%3Da' }],
  'GET /v1/node/stats': [{ path: '/v1/node/stats' }],
  'GET /v1/node/watch': [{ path: '/v1/node/watch' }],
  'GET /v1/node/exec/:workload/:slot': [{ path: '/v1/node/exec/web/0', status: 426 }],
  'GET /v1/instances/:workload/:slot/exec': [{ path: '/v1/instances/web/0/exec', status: 426 }],
  'GET /v1/node/logs/:workload/:slot': [{ path: '/v1/node/logs/web/0' }],
  'POST /v1/node/certificate': [
    { path: '/v1/node/certificate', body: { request }, caller: peer },
    { path: '/v1/node/certificate', body: { request }, caller: { ...peer, role: 'viewer' }, status: 403 },
  ],
  'GET /v1/nodes': [{ path: '/v1/nodes' }, { path: '/v1/nodes?limit=1' }, { path: '/v1/nodes?limit=x', status: 400 }],
  'GET /v1/nodes/:id': [{ path: '/v1/nodes/node1' }, { path: '/v1/nodes/3333' }, { path: '/v1/nodes/no', status: 404 }],
  'GET /v1/nodes/:id/drain': [{ path: '/v1/nodes/node2/drain' }],
  'GET /v1/nodes/:id/drain/watch': [{ path: '/v1/nodes/node2/drain/watch' }],
  'GET /v1/workloads': [{ path: '/v1/workloads' }, { path: '/v1/workloads?limit=2&phase=running' }],
  'GET /v1/workloads/:name': [
    { path: '/v1/workloads/web' },
    { path: '/v1/workloads/hello.service' },
    { path: '/v1/workloads/none', status: 404 },
  ],
  'GET /v1/workloads/:name/explain': [{ path: '/v1/workloads/web/explain' }],
  'GET /v1/workloads/:name/logs': [{ path: '/v1/workloads/web/logs' }],
  'GET /v1/workloads/:name/history': [
    { path: '/v1/workloads/web/history' },
    { path: '/v1/workloads/web/history?phase=running&node=node1' },
  ],
  'GET /v1/workloads/:name/watch': [{ path: '/v1/workloads/web/watch' }],
  'GET /v1/workloads/:name/revisions': [{ path: '/v1/workloads/web/revisions' }],
  'GET /v1/workloads/:name/revisions/:number': [{ path: '/v1/workloads/web/revisions/1', status: 404 }],
  'GET /v1/instances': [
    { path: '/v1/instances' },
    { path: '/v1/instances?limit=2' },
    { path: '/v1/instances?name=none', status: 404 },
  ],
  'GET /v1/instances/:workload/:slot/logs': [{ path: '/v1/instances/web/0/logs' }],
  'POST /v1/watch': [{ path: '/v1/watch', body: { names: ['web', 'hello.service'] } }],
  'POST /v1/plan': [
    {
      path: '/v1/plan',
      body: { documents: [changed, makeDocument('new'), { name: 'bad' }], remove: ['hello.service'] },
    },
    { path: '/v1/plan', body: {}, status: 400 },
  ],
  'PUT /v1/workloads/:name': [
    { path: '/v1/workloads/web', body: changed },
    { path: '/v1/workloads/web', body: { ...changed, what: 1 }, status: 400 },
    { path: '/v1/workloads/web', body: changed, headers: { 'if-match': '"1"' }, status: 412 },
  ],
  'POST /v1/apply': [
    { path: '/v1/apply', body: { documents: [makeDocument('new'), { name: 'bad' }] } },
    { path: '/v1/apply', body: 'no json', status: 400 },
  ],
  'POST /v1/workloads/:name/scale': [
    { path: '/v1/workloads/web/scale', body: { replicas: 2 } },
    { path: '/v1/workloads/hello.service/scale', body: { replicas: 2 }, status: 409 },
  ],
  'POST /v1/workloads/:name/restart': [
    { path: '/v1/workloads/web/restart' },
    { path: '/v1/workloads/web/restart?instance=web.0' },
  ],
  'POST /v1/workloads/:name/rollback': [{ path: '/v1/workloads/web/rollback', body: {} }],
  'POST /v1/workloads/:name/stop': [{ path: '/v1/workloads/web/stop' }],
  'POST /v1/workloads/:name/start': [{ path: '/v1/workloads/web/start' }],
  'DELETE /v1/workloads/:name': [{ path: '/v1/workloads/gone.service' }, { path: '/v1/workloads/none', status: 404 }],
  'POST /v1/nodes/:id/cordon': [{ path: '/v1/nodes/node1/cordon' }],
  'POST /v1/nodes/:id/drain': [{ path: '/v1/nodes/node1/drain', body: { deadlineMs: 1000, force: true } }],
  'POST /v1/nodes/:id/uncordon': [{ path: '/v1/nodes/node1/uncordon' }],
  'PATCH /v1/nodes/:id/labels': [{ path: '/v1/nodes/node1/labels', body: { set: { disk: 'ssd' }, remove: ['zone'] } }],
  'DELETE /v1/nodes/:id': [{ path: '/v1/nodes/node1', status: 409 }, { path: '/v1/nodes/node3?force=true' }],
  'POST /v1/cluster/release-hold': [
    { path: '/v1/cluster/release-hold' },
    { path: '/v1/cluster/release-hold', status: 404 },
  ],
  'POST /v1/cluster/confirm-restore': [{ path: '/v1/cluster/confirm-restore' }],
};

function checkRefusal(answer: RawAnswer, what: string): void {
  assert.equal(answer.headers['content-type'], 'application/problem+json', what);
  checkProblem(answer.json(), what);
}

/** The same as {@link rawRequest}, by a caller that the listener has told apart. */
async function askAs(
  { fetch }: Fixture,
  caller: Caller,
  { path, method = 'GET', body }: RawRequest,
): Promise<RawAnswer> {
  const init = { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(new Request(`http://muster${path}`, init), caller);
  const text = await response.text();
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    text,
    json: <T>() => JSON.parse(text) as T,
  };
}

async function ask(fixture: Fixture, key: string, { status = 200, caller, ...asked }: Asked): Promise<void> {
  const route = documentedRoutes.find((each) => routeKey(each) === key);
  assert.ok(route, `there is no route ${key}`);
  const { answer: schema } = schemaOf(route);
  const request = { ...asked, method: route.method };
  const what = `${route.method} ${asked.path}`;
  if (route.kind === 'stream' && status === 200 && typeof schema === 'object' && !('contentType' in schema)) {
    const got = await firstLine(fixture.socketPath, request);
    assert.equal(got.status, 200, what);
    checkAnswer(schema, got.line, what);
    return;
  }
  const answer = await (caller === undefined
    ? rawRequest(fixture.socketPath, request)
    : askAs(fixture, caller, request));
  assert.equal(answer.status, status, `${what}: ${answer.text}`);
  if (status !== 200 || schema === 'WebSocket') checkRefusal(answer, what);
  else if ('contentType' in schema)
    assert.match(String(answer.headers['content-type']), new RegExp(`^${schema.contentType}`));
  else checkAnswer(schema, answer.json(), what);
}

test('every route has a schema and is asked here, and nothing else has', () => {
  const keys = documentedRoutes.map(routeKey).sort();
  assert.deepEqual(Object.keys(routeSchemas).sort(), keys);
  assert.deepEqual(Object.keys(calls).sort(), keys);
});

test("each route's answers are what its schema says, and its refusals are problems", async (t: TestContext) => {
  const fixture = await openPopulated(t);
  for (const [key, asked] of Object.entries(calls)) for (const each of asked) await ask(fixture, key, each);
  const { revisions } = await fixture.client.revisions('web', t.signal);
  const path = `/v1/workloads/web/revisions/${revisions[0]?.spec ?? 0}`;
  await ask(fixture, 'GET /v1/workloads/:name/revisions/:number', { path });
});

test('what cannot be read of a node is told in the words of the schema too', async (t: TestContext) => {
  const fixture = await openPopulated(t);
  await fixture.put(layout.nodeSettings(node2), 'garbage');
  await ask(fixture, 'GET /v1/nodes', { path: '/v1/nodes' });
  await ask(fixture, 'GET /v1/status', { path: '/v1/status' });
  fixture.setState({ joined: false, text: 'waits for etcd' });
  for (const path of ['/v1/nodes', '/v1/workloads/web']) {
    const answer = await rawRequest(fixture.socketPath, { path });
    assert.equal(answer.status, 503);
    checkRefusal(answer, path);
  }
  await ask(fixture, 'GET /v1/node', { path: '/v1/node' });
});

test('src/api/openapi.json is made of the routes and their schemas', () => {
  const committed = readFileSync(new URL('../../../src/api/openapi.json', import.meta.url), 'utf8');
  assert.equal(committed, renderOpenApi(), 'make it again: node scripts/docs.ts');
});

test('each operation of openapi.json has a name of its own, and each reference leads somewhere', () => {
  const text = renderOpenApi();
  const document = JSON.parse(text) as {
    paths: Record<string, Record<string, { operationId: string }>>;
    components: Record<string, Record<string, unknown>>;
  };
  const ids = Object.values(document.paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  );
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(ids.length, documentedRoutes.length);
  for (const [, kind = '', name = ''] of text.matchAll(/"\$ref": "#\/components\/([a-zA-Z]+)\/([a-zA-Z]+)"/g)) {
    assert.ok(document.components[kind]?.[name] !== undefined, `${kind}/${name}`);
  }
});
