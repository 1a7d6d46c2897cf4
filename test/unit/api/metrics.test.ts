import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AnsweredRequest, ApiDeps, LocalHealth, LocalState } from '../../../src/api/api-deps.ts';
import { makeApi } from '../../../src/api/make-api.ts';
import { silentLog } from '../../../src/loop/log.ts';
import type { HealthAnswer, ReadyAnswer } from '../../../src/wire/health-answers.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { layout, node1 } from './api-fixture.ts';

const well: LocalHealth = { isAlive: true, hasObserved: true, unreadable: new Map() };
const storeOf = (state: NonNullable<LocalState['store']>['state'], text: string) => ({ state, text, since: '' });
const joined: LocalState = {
  joined: true,
  leader: false,
  text: 'joined (new)',
  store: storeOf('good', 'etcd answers'),
};

function make(state: Partial<LocalState> = {}, health: Partial<LocalHealth> = {}) {
  const clock = new FakeClock();
  const answered: Omit<AnsweredRequest, 'tookMs'>[] = [];
  let streams = () => -1;
  const deps: ApiDeps = {
    cluster: 'test',
    version: '1',
    store: { kv: new MemoryStore(clock).client('api'), layout, clock },
    node: { id: node1, hostname: 'node1', state: () => ({ ...joined, ...state }), onChange: () => () => {} },
    runtimes: [],
    health: () => ({ ...well, ...health }),
    metrics: {
      answered: ({ method, route, status }) => answered.push({ method, route, status }),
      watchStreams: (count) => {
        streams = count;
      },
      expose: async () => ({ type: 'text/plain; version=0.0.4', text: 'a 1\n' }),
    },
    clock,
    log: silentLog,
  };
  const api = makeApi(deps);
  const get = async (path: string) => api.fetch(new Request(`http://muster${path}`));
  return { api, get, answered, streams: () => streams() };
}

test('/healthz says whether the agent is alive, whatever is away', async () => {
  const away = make({ joined: false, store: storeOf('unavailable', 'etcd does not answer') }, { hasObserved: false });
  const good = await away.get('/healthz');
  assert.deepEqual([good.status, (await good.json()) as HealthAnswer], [200, { alive: true }]);
  const bad = await make({}, { isAlive: false }).get('/healthz');
  assert.deepEqual([bad.status, (await bad.json()) as HealthAnswer], [503, { alive: false }]);
});

test('/readyz says that all is ready, or what is not', async () => {
  const good = await make().get('/readyz');
  assert.equal(good.status, 200);
  assert.equal(((await good.json()) as ReadyAnswer).ready, true);
  const cases: [state: Partial<LocalState>, health: Partial<LocalHealth>, failed: string, text: RegExp][] = [
    [{ joined: false, text: 'joining: no answer' }, {}, 'joined', /joining: no answer/],
    [{}, { hasObserved: false }, 'runtimes', /not looked at yet/],
    [{}, { unreadable: new Map([['docker', 'dockerd is away']]) }, 'runtimes', /docker: dockerd is away/],
    [{ store: storeOf('full', 'etcd is out of space') }, {}, 'store', /out of space/],
  ];
  for (const [state, health, failed, text] of cases) {
    const response = await make(state, health).get('/readyz');
    const { ready, checks } = (await response.json()) as ReadyAnswer;
    assert.deepEqual([response.status, ready], [503, false], failed);
    const bad = checks.filter(({ passed }) => !passed);
    assert.deepEqual(
      bad.map(({ name }) => name),
      [failed],
    );
    assert.match(bad[0]?.text ?? '', text);
  }
  const slow = await make({ store: storeOf('slow', 'etcd answers slowly') }).get('/readyz');
  assert.equal(slow.status, 200, 'slow is no reason to send nobody here');
});

test('/metrics gives what is counted, also while the node has not joined', async () => {
  const response = await make({ joined: false }).get('/metrics');
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4');
  assert.equal(await response.text(), 'a 1\n');
});

test('answers are counted by the pattern of their route, never by what clients put into it', async () => {
  const { get, answered } = make();
  await get('/v1/workloads/some-name');
  await get('/v1/version');
  await get('/v1/no/such/path');
  assert.deepEqual(answered, [
    { method: 'GET', route: '/v1/workloads/:name', status: 404 },
    { method: 'GET', route: '/v1/version', status: 200 },
    { method: 'other', route: 'unknown', status: 404 },
  ]);
});

test('streams are counted from their begin to their end', async () => {
  const { get, streams } = make();
  assert.equal(streams(), 0);
  const response = await get('/v1/node/watch');
  assert.equal(streams(), 1);
  await response.body?.cancel();
  assert.equal(streams(), 0);
});
