import assert from 'node:assert/strict';
import fc from 'fast-check';
import { makeApi } from '../../src/api/make-api.ts';
import { makeLayout } from '../../src/cluster/layout.ts';
import { parseClusterId, parseNodeId } from '../../src/domain/ids.ts';
import { silentLog } from '../../src/loop/log.ts';
import { parseApplyAllRequest, parseDocument, parseWatchRequest } from '../../src/wire/schemas.ts';
import { makeDocument } from '../sim/documents.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { mutated, mutatedText } from './mutate.ts';
import { type FuzzTarget, makeTarget } from './target.ts';

const documents = [
  makeDocument('web', { replicas: 3, hostPort: 80, volume: 'data' }),
  makeDocument('hello.service', { mode: 'stop' }),
  makeDocument('all', { replicas: 0, conflicts: ['web.*'] }),
  {
    ...makeDocument('db'),
    offlineStart: true,
    disconnect: { mode: 'keep', replaceAfterMs: 'never', onReturn: 'keep-original' },
  },
];
const json = (samples: readonly unknown[]) =>
  fc.oneof({ weight: 5, arbitrary: mutated(samples) }, { weight: 1, arbitrary: fc.jsonValue() });

function bodyTarget(name: string, samples: readonly unknown[], parse: (body: unknown) => unknown): FuzzTarget {
  return makeTarget({
    name: `body:${name}`,
    arbitrary: json(samples),
    parse,
    place: () => 'Cannot',
    roundTrip: (value) => assert.deepEqual(parse(JSON.parse(JSON.stringify(value))), value),
  });
}

const routes = [
  ['PUT', '/v1/workloads/web'],
  ['POST', '/v1/apply'],
  ['POST', '/v1/watch'],
  ['GET', '/v1/workloads/web'],
  ['GET', '/v1/instances?workload=web&name=web.0'],
  ['DELETE', '/v1/workloads/web'],
  ['POST', '/v1/workloads/web/stop'],
  ['GET', '/v1/instances/web/0/logs?tail=5'],
  ['GET', '/v1/nodes/ffffffff'],
] as const;
const urlWords = ['/', '%', '%00', '%2f', '..', '?', '&', '=', 'web', 'v1', 'tail', '#', 'é', '__proto__', ''];
const bodies = [...documents, { documents }, { names: ['web', 'hello.service'] }];
const request = fc.record({
  route: fc.constantFrom(...routes),
  path: fc.option(
    mutatedText(
      routes.map(([, path]) => path),
      urlWords,
    ),
    { freq: 4 },
  ),
  type: fc.oneof(
    { weight: 8, arbitrary: fc.constant('application/json') },
    fc.constantFrom('', 'text/plain', 'application/json; charset=x'),
  ),
  body: fc.oneof<fc.Arbitrary<string | Uint8Array<ArrayBuffer>>[]>(
    mutated(bodies).map((value) => JSON.stringify(value)),
    mutatedText(
      bodies.map((each) => JSON.stringify(each)),
      ['{', '}', '[', ']', '"', ':', ',', '__proto__', '\\ud800', ''],
    ),
    fc.uint8Array({ maxLength: 100 }).map((raw) => new Uint8Array(raw)),
  ),
});
type Case = typeof request extends fc.Arbitrary<infer T> ? T : never;

const node = parseNodeId('1'.repeat(32));

/** One request to an API of its own: whatever it is, it's answered, and never by an internal error. */
async function ask({ route: [method, given], path, type, body }: Case): Promise<string> {
  const clock = new FakeClock();
  const store = { kv: new MemoryStore(clock).client(), layout: makeLayout('/muster', parseClusterId('demo')), clock };
  const state = { joined: true, leader: false, text: 'joined' };
  const local = { id: node, hostname: 'node1', state: () => state, onChange: () => () => {} };
  const api = makeApi({ cluster: 'demo', version: '0', store, node: local, runtimes: [], clock, log: silentLog });
  const text = `/${path ?? given}`.replace(/^\/+/, '/');
  const url = URL.parse(`http://muster${text}`) ?? new URL('http://muster/');
  const answer = await api.fetch(
    new Request(url, { method, headers: { 'content-type': type }, ...(method === 'GET' ? {} : { body }) }),
  );
  const isStream = answer.headers.get('content-type')?.includes('json') !== true || url.pathname.endsWith('/watch');
  if (answer.status !== 200 || !isStream) await answer.text();
  else await answer.body?.cancel();
  api.close();
  assert.ok(answer.status !== 500, `${method} ${url.pathname} was answered ${answer.status}`);
  return String(answer.status);
}

/** What clients of the API send. */
export const apiTargets: readonly FuzzTarget[] = [
  bodyTarget('workload', documents, parseDocument),
  bodyTarget('apply', [{ documents }], parseApplyAllRequest),
  bodyTarget('watch', [{ names: ['web', 'hello.service'] }], parseWatchRequest),
  makeTarget({ name: 'api:request', arbitrary: request, parse: ask, place: () => '' }),
];
