import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Caller } from '../../../src/api/caller.ts';
import { makeApi } from '../../../src/api/make-api.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { FleetWorld } from './fleet-world.ts';

const hello = [
  { section: 'Unit', name: 'Description', value: 'Hello' },
  { section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' },
];
const fleetOnly = (name: string, value: string) => [...hello, { section: 'X-Fleet', name, value }];

interface Asked {
  readonly status: number;
  readonly json: unknown;
  readonly headers: Headers;
}

async function ask(
  world: FleetWorld,
  method: string,
  path: string,
  body?: unknown,
  type = 'application/json',
): Promise<Asked> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const init = body === undefined ? {} : { body: text, headers: { 'content-type': type } };
  const response = await world.ask(method, path, init);
  const answer = await response.text();
  return { status: response.status, headers: response.headers, json: answer === '' ? undefined : JSON.parse(answer) };
}

const unit = (name: string) => `/fleet/v1/units/${name}`;
const put = async (world: FleetWorld, name: string, body: object) => ask(world, 'PUT', unit(name), body);

test('refusals are told as fleet tells them, with its statuses', async () => {
  const world = await FleetWorld.open();
  const withBody = { name: 'a.service', options: hello };
  const cases: readonly (readonly [
    method: string,
    path: string,
    body: unknown,
    status: number,
    says?: RegExp,
    type?: string,
  ])[] = [
    ['GET', unit('a.service'), undefined, 404, /unit does not exist/],
    ['GET', unit('no%20name'), undefined, 404, /unit does not exist/],
    ['GET', '/fleet/v1/state/a.service', undefined, 404, /unit state does not exist/],
    ['DELETE', unit('a.service'), undefined, 404, /unit does not exist/],
    ['GET', '/fleet/v1/nothing', undefined, 404],
    ['GET', '/fleet/v1/units/', undefined, 404],
    ['GET', '/fleet/v1/units/a.service/b', undefined, 404],
    ['GET', '/fleet/v1', undefined, 405],
    ['GET', '/', undefined, 405],
    ['POST', '/', undefined, 405],
    ['POST', '/fleet/v1/units', undefined, 405],
    ['DELETE', '/fleet/v1/machines', undefined, 405],
    ['PUT', '/fleet/v1/state', undefined, 405],
    ['PUT', unit('a.service'), withBody, 415, /application\/json/, 'text/plain'],
    ['PUT', unit('a.service'), withBody, 415, /application\/json/, 'application/json, application/json'],
    ['PUT', unit('a.service'), '{', 400],
    ['PUT', unit('a.service'), [], 400, /unable to decode body/],
    ['PUT', unit('a.service'), { options: [{ section: 1 }] }, 400, /unable to decode body/],
    ['PUT', unit('a.service'), { name: 'b.service', options: hello }, 400, /name in URL "a.service" differs/],
    ['PUT', unit('a'), { options: hello }, 400],
    ['PUT', unit('a b.service'), { options: hello }, 400],
    ['PUT', unit('a.target'), { options: hello }, 400, /Cannot manage unit/],
    ['PUT', unit('docker.service'), { options: hello }, 400, /the host itself/],
    ['PUT', unit('a.service'), { desiredState: 'launched' }, 409, /options field empty/],
    ['PUT', unit('a.service'), { desiredState: 'flying', options: hello }, 400, /invalid value "flying" for JobState/],
    [
      'PUT',
      unit('a.service'),
      { options: [...fleetOnly('MachineID', 'x'), { section: 'X-Fleet', name: 'Global', value: 'true' }] },
      400,
      /MachineID with Global/,
    ],
    [
      'PUT',
      unit('a.service'),
      { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/a\n[Service]\nUser=root' }] },
      400,
      /each in its line/,
    ],
    ['PUT', unit('a@.service'), { desiredState: 'launched', options: hello }, 400, /cannot activate template/],
    ['GET', '/fleet/v1/units?nextPageToken=nonsense', undefined, 400, /token/],
    ['GET', '/fleet/v1/machines?nextPageToken=MgABAA==', undefined, 400, /token limit must be 100/],
    ['GET', '/fleet/v1/state?nextPageToken=ZAAAAA==', undefined, 400, /greater than zero/],
    ['GET', '/fleet/v1/state?nextPageToken=ZAABAA==&nextPageToken=ZAABAA==', undefined, 400, /too many/],
  ];
  for (const [method, path, body, status, says = /./, type] of cases) {
    const { json, ...answer } = await ask(world, method, path, body, type);
    const { error } = json as { error: { code: number; message: string } };
    assert.deepEqual([answer.status, error.code], [status, status], `${method} ${path} ${JSON.stringify(json)}`);
    assert.match(error.message, says, `${method} ${path}`);
    assert.match(answer.headers.get('server') ?? '', /^fleetd\/1\.0\.0/);
    assert.equal(answer.headers.get('content-type'), 'application/json');
  }
});

test('units are made, changed and taken away with the statuses that fleet answers', async () => {
  const world = await FleetWorld.open();
  const created = await put(world, 'a.service', { options: hello });
  assert.deepEqual([created.status, created.json], [201, undefined]);
  assert.match(created.headers.get('server') ?? '', /^fleetd\//);
  assert.deepEqual((await ask(world, 'GET', `${unit('a.service')}?alt=json`)).json, {
    name: 'a.service',
    options: hello,
    desiredState: 'inactive',
    currentState: 'inactive',
  });
  assert.equal((await put(world, 'a.service', { options: hello })).status, 409, 'nothing is desired of it');
  assert.equal((await put(world, 'a.service', { options: hello, desiredState: 'inactive' })).status, 204);
  assert.equal((await put(world, 'a.service', { desiredState: 'loaded' })).status, 204);
  const other = fleetOnly('MachineMetadata', 'a=b');
  assert.equal((await put(world, 'a.service', { options: other })).status, 201, 'another text is a new unit');
  const { desiredState, options } = (await ask(world, 'GET', unit('a.service'))).json as Record<string, unknown>;
  assert.deepEqual([desiredState, options], ['inactive', other]);
  assert.equal((await ask(world, 'DELETE', unit('a.service'))).status, 204);
  assert.equal((await ask(world, 'GET', unit('a.service'))).status, 404, 'it is gone at once');
  assert.equal((await put(world, 'a.service', { options: hello, desiredState: 'launched' })).status, 201);
  const again = (await ask(world, 'GET', unit('a.service'))).json as { desiredState: string };
  assert.equal(again.desiredState, 'launched', 'also while the one before is still going');
});

test('the other name of the API is the same API, and names may be percent-encoded', async () => {
  const world = await FleetWorld.open();
  const made = await ask(world, 'PUT', '/v1-alpha/units/w%40a%5Cx2db.service?alt=json', { options: hello });
  assert.equal(made.status, 201);
  const { units } = (await ask(world, 'GET', '/fleet/v1/units?alt=json')).json as { units: { name: string }[] };
  assert.deepEqual(
    units.map(({ name }) => name),
    ['w@a\\x2db.service'],
  );
  assert.equal((await ask(world, 'GET', '/v1-alpha')).status, 405);
  assert.equal((await ask(world, 'GET', '/v1-alpha/machines')).status, 200);
});

test('listings come in pages of 100 and end with the last of them', async () => {
  const world = await FleetWorld.open();
  assert.deepEqual((await ask(world, 'GET', '/fleet/v1/units')).json, {}, 'empty fields are left out');
  assert.deepEqual((await ask(world, 'GET', '/fleet/v1/state')).json, {});
  const names = Array.from({ length: 200 }, (_, at) => `u${String(at).padStart(3, '0')}.service`);
  for (const name of names) await put(world, name, { options: hello });
  type Page = { units: { name: string }[]; nextPageToken?: string };
  const first = (await ask(world, 'GET', '/fleet/v1/units')).json as Page;
  assert.equal(first.nextPageToken, 'ZAACAA==');
  const second = (await ask(world, 'GET', '/fleet/v1/units?nextPageToken=ZAACAA%3D%3D')).json as Page;
  assert.equal(second.nextPageToken, undefined, 'no empty page follows');
  assert.deepEqual(
    [...first.units, ...second.units].map(({ name }) => name),
    names,
  );
  assert.deepEqual((await ask(world, 'GET', '/fleet/v1/units?nextPageToken=ZAAJAA%3D%3D')).json, {});
});

test('states tell of each unit on each machine, with the hash of its text, and can be narrowed', async () => {
  const world = await FleetWorld.open();
  await put(world, 'all.service', { options: fleetOnly('Global', 'true'), desiredState: 'launched' });
  await put(world, 'one.service', { options: hello, desiredState: 'launched' });
  await world.world.advance(5_000);
  type States = { states?: Record<string, string>[] };
  const states = async (query = '') =>
    ((await ask(world, 'GET', `/fleet/v1/state${query}`)).json as States).states ?? [];
  const all = await states();
  assert.deepEqual(
    all.map(({ name }) => name),
    ['all.service', 'all.service', 'all.service', 'one.service'],
  );
  for (const { hash, systemdLoadState, systemdActiveState, systemdSubState } of all) {
    assert.match(hash ?? '', /^[0-9a-f]{40}$/);
    assert.deepEqual([systemdLoadState, systemdActiveState, systemdSubState], ['loaded', 'active', 'running']);
  }
  const machine = all[0]?.['machineID'] ?? '';
  assert.deepEqual((await states(`?machineID=${machine}&unitName=all.service`)).length, 1);
  assert.deepEqual(await states('?unitName=nothing.service'), []);
  const global = (await ask(world, 'GET', unit('all.service'))).json as Record<string, unknown>;
  assert.deepEqual(Object.keys(global), ['name', 'options', 'desiredState'], 'a global unit has no state of its own');
  const one = (await ask(world, 'GET', '/fleet/v1/state/one.service')).json as Record<string, string>;
  assert.equal(one['systemdActiveState'], 'active');
  assert.equal(
    one['machineID'],
    ((await ask(world, 'GET', unit('one.service'))).json as Record<string, string>)['machineID'],
  );
});

test('a known unit always has a state, wherever it is: its lack would crash the client', async () => {
  const world = await FleetWorld.open();
  await put(world, 'a.service', { options: hello });
  await put(world, 'w@.service', { options: hello });
  await put(world, 'nowhere.service', { options: fleetOnly('MachineMetadata', 'no=where'), desiredState: 'launched' });
  await world.world.advance(2_000);
  for (const name of ['a.service', 'w@.service', 'nowhere.service']) {
    const { status, json } = await ask(world, 'GET', `/fleet/v1/state/${name}`);
    const { systemdLoadState, systemdActiveState } = json as Record<string, string>;
    assert.deepEqual([status, systemdLoadState, systemdActiveState], [200, 'not-found', 'inactive'], name);
  }
});

test('metadata of machines are labels: set in both forms, taken away, and refused as a whole', async () => {
  const world = await FleetWorld.open();
  type Machines = { machines: { id: string; primaryIP: string; metadata?: Record<string, string> }[] };
  const machines = async () => ((await ask(world, 'GET', '/fleet/v1/machines')).json as Machines).machines;
  const [first, second] = await machines();
  assert.equal(first?.primaryIP, '10.0.0.1');
  assert.equal(first?.metadata, undefined, 'empty fields are left out');
  const patch = async (ops: unknown) => (await ask(world, 'PATCH', '/fleet/v1/machines', ops, 'text/plain')).status;
  const at = (key: string, id = first?.id) => `/${id}/metadata/${key}`;
  assert.equal(await patch([{ op: 'add', path: at('zone'), value: { value: 'a' } }]), 204);
  assert.equal(
    await patch([
      { op: 'replace', path: at('disk'), value: 'ssd' },
      { op: 'add', path: at('zone', second?.id), value: 'b' },
    ]),
    204,
  );
  assert.deepEqual(
    (await machines()).map(({ metadata }) => metadata),
    [{ disk: 'ssd', zone: 'a' }, { zone: 'b' }, undefined],
  );
  assert.equal(
    await patch([
      { op: 'remove', path: at('disk') },
      { op: 'add', path: at('zone'), value: 'c' },
    ]),
    204,
  );
  assert.deepEqual((await machines())[0]?.metadata, { zone: 'c' });
  const bad = [
    [{ op: 'move', path: at('a'), value: 'x' }],
    [{ op: 'add', path: '/x/label/a', value: 'x' }],
    [{ op: 'add', path: at('a b'), value: 'x' }],
    [{ op: 'add', path: at('a') }],
    [{ op: 'add', path: at('a'), value: {} }],
    [
      { op: 'add', path: at('zone'), value: 'd' },
      { op: 'add', path: at('a', 'nobody'), value: 'x' },
    ],
    { op: 'add' },
  ];
  for (const ops of bad) assert.equal(await patch(ops), 400, JSON.stringify(ops));
  assert.deepEqual((await machines())[0]?.metadata, { zone: 'c' }, 'nothing of a bad request is done');
});

test('the discovery document names every resource', async () => {
  const world = await FleetWorld.open();
  const { json } = await ask(world, 'GET', '/fleet/v1/discovery');
  const { id, resources } = json as { id: string; resources: Record<string, { methods: object }> };
  assert.equal(id, 'fleet:v1');
  assert.deepEqual(
    Object.entries(resources).map(([name, { methods }]) => `${name}: ${Object.keys(methods).join()}`),
    ['Machines: List', 'Units: List,Get,Delete,Set', 'UnitState: Get,List'],
  );
});

test('muster and fleet see each other: what one writes the other tells, and the last to write has written the whole', async () => {
  const world = await FleetWorld.open();
  const { cluster } = world;
  await cluster.apply('both.service');
  await cluster.apply('crew@.service', { replicas: 2 });
  await cluster.apply('web', { replicas: 2 });
  await cluster.converge();
  type Units = { units: { name: string; desiredState: string; currentState: string }[] };
  const { units } = (await ask(world, 'GET', '/fleet/v1/units')).json as Units;
  assert.deepEqual(
    units.map((each) => [each.name, each.desiredState, each.currentState].join(' ')),
    [
      'both.service launched launched',
      'crew@.service inactive inactive',
      'crew@1.service launched launched',
      'crew@2.service launched launched',
    ],
  );
  const refused = await put(world, 'crew@1.service', { desiredState: 'inactive' });
  assert.equal(refused.status, 409);
  assert.match(JSON.stringify(refused.json), /muster scales/);
  assert.equal((await put(world, 'crew@1.service', { desiredState: 'launched' })).status, 204, 'it is so');
  assert.equal((await ask(world, 'DELETE', unit('crew@1.service'))).status, 409);
  assert.equal((await put(world, 'both.service', { desiredState: 'loaded' })).status, 204);
  await world.world.advance(5_000);
  assert.deepEqual(cluster.whereIs('both.service/0'), []);
  await cluster.setDesired('both.service', 'run');
  await cluster.converge();
  assert.equal(cluster.whereIs('both.service/0').length, 1, 'a start by muster launches what fleet has loaded');
  await put(world, 'both.service', { desiredState: 'loaded' });
  await cluster.apply('both.service');
  await cluster.converge();
  assert.equal(cluster.whereIs('both.service/0').length, 1, 'and so does an apply');
  await Promise.all([
    cluster.apply('both.service', { version: 2 }),
    put(world, 'both.service', { options: hello, desiredState: 'launched' }),
  ]);
  await cluster.converge();
  const { options } = (await ask(world, 'GET', unit('both.service'))).json as { options: unknown[] };
  assert.ok(options.length === 1 || options.length === 2, 'one of the two, whole');
});

test('reads need a viewer, changes an operator, and an agent that has not joined says so', async () => {
  const world = await FleetWorld.open();
  const viewer: Caller = { via: 'tls', name: 'eve', role: 'viewer' };
  const from = async (caller: Caller, method: string, path: string, body?: object) => {
    const init =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const response = await world.api.fetch(new Request(`http://socket${path}`, { method, ...init }), caller);
    return { status: response.status, json: (await response.json()) as { error?: { code: number; message: string } } };
  };
  assert.equal((await from(viewer, 'GET', '/fleet/v1/units')).status, 200);
  const refused = await from(viewer, 'PUT', unit('a.service'), { options: hello });
  assert.deepEqual([refused.status, refused.json.error?.code], [403, 403]);
  assert.equal((await from(viewer, 'PATCH', '/fleet/v1/machines', [])).status, 403);
  assert.equal((await from(viewer, 'DELETE', unit('a.service'))).status, 403);
  const [machine] = world.world.machines;
  const node = { id: machine?.node ?? ('' as never), hostname: 'node1', onChange: () => () => {} };
  const config = machine?.config;
  if (config === undefined) throw new RangeError('there is a machine');
  const state = () => ({ joined: false, leader: false, text: 'waits for etcd' });
  const common = { cluster: 'demo', version: '1', runtimes: [], clock: world.world.clock, log: silentLog };
  const alone = makeApi({ ...common, store: world.world.storeView(config), node: { ...node, state } });
  for (const path of ['/fleet/v1/units', '/fleet/v1/machines', '/fleet/v1/nothing', '/v1-alpha/discovery']) {
    const response = await alone.fetch(new Request(`http://socket${path}`));
    const { error } = (await response.json()) as { error: { code: number; message: string } };
    assert.deepEqual([response.status, error.code], [503, 503], path);
    assert.match(error.message, /^fleet server unable to communicate with etcd/);
  }
});
