import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Caller } from '../../../src/api/caller.ts';
import { openUpgrade } from '../../../src/api/exec-upgrade.ts';
import { problemResponse } from '../../../src/api/problem-response.ts';
import { refuseTooMany } from '../../../src/api/refusal.ts';
import type { Problem } from '../../../src/wire/problem.ts';
import { type RawRequest, rawRequest } from '../../support/raw-request.ts';
import { openFixture } from './api-fixture.ts';

const cases: [name: string, asked: RawRequest, status: number, code: string, expected: RegExp][] = [
  ['an unknown path', { path: '/v2/x' }, 404, 'NOT_FOUND', /a path of API v1/],
  ['a method that a path does not take', { method: 'DELETE', path: '/v1/nodes' }, 405, 'INVALID_INPUT', /GET, HEAD/],
  [
    'a method of nothing',
    { method: 'PATCH', path: '/v1/workloads/web' },
    405,
    'INVALID_INPUT',
    /DELETE, GET, HEAD, PUT/,
  ],
  [
    'a filter that means nothing to what is asked for',
    { path: '/v1/workloads/web/revisions?phase=failed' },
    400,
    'INVALID_INPUT',
    /none of label, node, phase/,
  ],
  ['a body that is no JSON', { method: 'POST', path: '/v1/apply', body: '{' }, 400, 'INVALID_INPUT', /JSON/],
  [
    'a body of another type',
    { method: 'POST', path: '/v1/apply', body: 'a: 1', headers: { 'content-type': 'text/yaml' } },
    415,
    'INVALID_INPUT',
    /application\/json/,
  ],
  [
    'a body over the limit',
    { method: 'POST', path: '/v1/apply', body: 'x'.repeat(3 * 1024 * 1024) },
    413,
    'LIMIT',
    /at most \d+ bytes/,
  ],
];
for (const [name, asked, status, code, expected] of cases) {
  test(`${name} is refused with problem details`, async (t) => {
    const { socketPath } = await openFixture(t);
    const answer = await rawRequest(socketPath, { ...asked, headers: { 'x-request-id': 'mine-7', ...asked.headers } });
    const problem = answer.json<Problem>();
    assert.deepEqual([answer.status, problem.status, problem.code], [status, status, code]);
    assert.equal(answer.headers['content-type'], 'application/problem+json');
    assert.deepEqual([problem.requestId, answer.headers['x-request-id']], ['mine-7', 'mine-7']);
    assert.match(problem.expected ?? '', expected);
    if (status === 405) assert.equal(answer.headers['allow'], problem.expected);
    if (status === 415) assert.equal(answer.headers['accept'], 'application/json');
  });
}

test('too many requests are refused with the time after which to ask again', async () => {
  const response = problemResponse(refuseTooMany('at most 100 a second', 0.2), 'id');
  const problem = (await response.json()) as Problem;
  assert.deepEqual([response.status, problem.status, problem.code], [429, 429, 'LIMIT']);
  assert.equal(response.headers.get('retry-after'), '1');
  assert.equal(problem.expected, 'at most 100 a second');
});

const anna: Caller = { via: 'tls', role: 'operator', name: 'anna' };

test('a page of another site changes nothing with the certificate of whoever looks at it, and may read', async (t) => {
  const { fetch } = await openFixture(t);
  const ask = async (method: string, path: string, origin?: string) => {
    const headers = { host: 'node1:2773', ...(origin === undefined ? {} : { origin }) };
    return (await fetch(new Request(`https://node1:2773${path}`, { method, headers }), anna)).status;
  };
  for (const origin of ['https://elsewhere.test', 'https://node1', 'null']) {
    assert.equal(await ask('POST', '/v1/workloads/web/stop', origin), 403, origin);
    assert.equal(await ask('DELETE', '/fleet/v1/units/web.service', origin), 403, origin);
    assert.equal(await ask('GET', '/v1/workloads', origin), 200, origin);
  }
  assert.equal(await ask('POST', '/v1/workloads/web/stop', 'https://node1:2773'), 404, "the agent's own");
  assert.equal(await ask('POST', '/v1/workloads/web/stop'), 404, 'no browser');
});

test('a page of another site runs no command', async () => {
  const headers = { upgrade: 'websocket', host: 'node1:2773', origin: 'https://elsewhere.test' };
  const incoming = { method: 'GET', url: '/v1/instances/web/0/exec', headers };
  const none = {} as never; // refused before anything is looked at
  const asked = openUpgrade(none, none, { incoming: incoming as never, socket: none, head: none }, anna);
  await assert.rejects(asked, { code: 'FORBIDDEN', message: /for a page of "https:\/\/elsewhere.test"/ });
});
