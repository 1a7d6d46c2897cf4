import assert from 'node:assert/strict';
import { request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { specCodec, workloadCodec } from '../../../src/cluster/codecs.ts';
import { AgentError, type ErrorCode } from '../../../src/domain/errors.ts';
import { type InstanceKey, parseWorkloadName } from '../../../src/domain/ids.ts';
import { eventually } from '../../support/eventually.ts';
import {
  addLeader,
  addNode,
  assign,
  container,
  type FakeRuntime,
  layout,
  makeDocument,
  node1,
  node2,
  openFixture,
  report,
} from './api-fixture.ts';

const signal = (t: TestContext) => t.signal;
const web = parseWorkloadName('web');
const web0 = 'web/0' as InstanceKey;

function refusal(code: ErrorCode, text: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof AgentError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, text);
    return true;
  };
}

test('version, node and the 404 of an unknown path are answered without a cluster', async (t) => {
  const { client, setState } = await openFixture(t);
  setState({ joined: false, text: 'waits for etcd at 10.0.0.1:2379' });
  assert.deepEqual(await client.version(signal(t)), { version: '1.2.3', api: 'v1' });
  const node = await client.node(signal(t));
  assert.equal(node.joined, false);
  assert.equal(node.status, 'waits for etcd at 10.0.0.1:2379');
  await assert.rejects(client.workloads({}, signal(t)), refusal('UNAVAILABLE', /has not joined it: waits for etcd/));
});

test('a node watch tells the state now and then each change', async (t) => {
  const { client, setState, open } = await openFixture(t);
  setState({ joined: false, text: 'joins' });
  const seen: boolean[] = [];
  for await (const state of client.watchNode(signal(t))) {
    seen.push(state.joined);
    if (state.joined) break;
    setState({ joined: true, text: 'joined' });
  }
  assert.deepEqual(seen, [false, true]);
  await eventually('the stream ends at the server', 2_000, () => open() === 0);
});

test('a stream that only its head was asked of ends with its answer', async (t) => {
  const { socketPath, open } = await openFixture(t);
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  request({ socketPath, method: 'HEAD', path: '/v1/node/watch' }, (response) => {
    response.resume().on('end', () => resolve(response.statusCode));
  })
    .on('error', reject)
    .end();
  assert.equal(await promise, 200);
  await eventually('the stream ends at the server', 2_000, () => open() === 0);
});

test('an apply writes record and spec in one transaction after one round of reads', async (t) => {
  const { client, kv, store } = await openFixture(t);
  const answer = await client.apply(makeDocument('hello.service'), signal(t));
  assert.equal(answer.created, true);
  assert.equal(answer.changed, true);
  assert.deepEqual([kv.calls.get('get'), kv.calls.get('list'), kv.calls.get('commit')], [1, 1, 1]);
  const name = parseWorkloadName('hello.service');
  const stored = workloadCodec.decode(store.get(layout.workload(name))?.value ?? '', 'workload');
  assert.equal(stored.spec, answer.spec);
  assert.equal(stored.desired, 'run');
  const spec = specCodec.decode(store.get(layout.spec(name, answer.spec))?.value ?? '', 'spec');
  assert.deepEqual(spec.run, { kind: 'unit', text: '[Service]\nExecStart=/bin/true\n' });
});

test('an apply of many creates them in few transactions, and refuses one without holding up the others', async (t) => {
  const { client, kv, store } = await openFixture(t);
  const names = Array.from({ length: 100 }, (_, index) => `unit-${index}.service`);
  const bad = { ...makeDocument('bad'), scale: { kind: 'replicas', replicas: -1 } } as const;
  const outcomes = await client.applyAll([...names.map((name) => makeDocument(name)), bad], signal(t));
  assert.equal(outcomes.length, 101);
  assert.ok(outcomes.slice(0, 100).every((outcome) => !(outcome instanceof AgentError) && outcome.created));
  assert.ok(refusal('INVALID_INPUT', /scale\.replicas/)(outcomes[100]));
  assert.deepEqual([kv.calls.get('get'), kv.calls.get('list') ?? 0, kv.calls.get('commit')], [1, 0, 2]);
  for (const [at, name] of names.map(parseWorkloadName).entries()) {
    const outcome = outcomes[at];
    assert.ok(outcome !== undefined && !(outcome instanceof AgentError));
    assert.equal(workloadCodec.decode(store.get(layout.workload(name))?.value ?? '', name).spec, outcome.spec);
    assert.equal(specCodec.decode(store.get(layout.spec(name, outcome.spec))?.value ?? '', name).number, outcome.spec);
  }
});

test('an apply of many changes those that there are, one by one', async (t) => {
  const { client } = await openFixture(t);
  const first = await client.apply(makeDocument('web'), signal(t));
  const outcomes = await client.applyAll(
    [makeDocument('new'), makeDocument('web', { run: { ...container, image: 'nginx:2' } })],
    signal(t),
  );
  assert.deepEqual(
    outcomes.map((outcome) => (outcome instanceof AgentError ? outcome.code : [outcome.name, outcome.created])),
    [
      ['new', true],
      ['web', false],
    ],
  );
  assert.equal((outcomes[1] as { spec: number }).spec, first.spec + 1);
  await assert.rejects(
    client.applyAll([makeDocument('web'), makeDocument('web')], signal(t)),
    refusal('INVALID_INPUT', /each name once/),
  );
});

test('the same document again changes nothing; another run part takes the next number, another scale keeps it', async (t) => {
  const { client, store } = await openFixture(t);
  const first = await client.apply(makeDocument('web'), signal(t));
  const before = store.revision;
  const again = await client.apply(makeDocument('web'), signal(t));
  assert.deepEqual([again.changed, again.spec, store.revision], [false, first.spec, before]);
  const scaled = await client.apply(makeDocument('web', { scale: { kind: 'replicas', replicas: 3 } }), signal(t));
  assert.deepEqual([scaled.changed, scaled.created, scaled.spec], [true, false, first.spec]);
  const changed = await client.apply(makeDocument('web', { run: { ...container, image: 'nginx:2' } }), signal(t));
  assert.equal(changed.spec, first.spec + 1);
});

test('a workload removed and made again never reuses a spec number', async (t) => {
  const fixture = await openFixture(t);
  const { client } = fixture;
  const first = await client.apply(makeDocument('web'), signal(t));
  await fixture.remove(layout.workload(web));
  await fixture.remove(layout.spec(web, first.spec));
  const second = await client.apply(makeDocument('web', { run: { ...container, image: 'other' } }), signal(t));
  assert.ok(second.created);
  assert.ok(second.spec > first.spec);
});

test('applies at the same time all succeed, and each spec number holds one run part', async (t) => {
  const { client, store } = await openFixture(t);
  const images = Array.from({ length: 6 }, (_, at) => `nginx:${at}`);
  const answers = await Promise.all(
    images.map((image) => client.apply(makeDocument('web', { run: { ...container, image } }), signal(t))),
  );
  for (const [at, { spec }] of answers.entries()) {
    const stored = specCodec.decode(store.get(layout.spec(web, spec))?.value ?? '', 'spec');
    assert.equal(stored.run.kind === 'container' && stored.run.image, images[at]);
  }
  assert.equal(new Set(answers.map(({ spec }) => spec)).size, images.length);
});

test('an eleventh spec prunes the oldest, but one that an assignment refers to stays', async (t) => {
  const fixture = await openFixture(t);
  const apply = async (n: number) =>
    (await fixture.client.apply(makeDocument('web', { run: { ...container, image: `nginx:${n}` } }), signal(t))).spec;
  const numbers = [];
  for (let n = 0; n < 2; n += 1) numbers.push(await apply(n));
  await assign(fixture, node1, web0, { spec: numbers[1] ?? 0 });
  for (let n = 2; n < 13; n += 1) numbers.push(await apply(n));
  const kept = fixture.store.list(layout.specsOf(web)).map(({ key, value }) => specCodec.decode(value, key).number);
  assert.deepEqual(kept, [numbers[1], ...numbers.slice(-10)]);
});

test('stop and start change what is desired once; rm marks, and an apply takes it back', async (t) => {
  const { client } = await openFixture(t);
  await client.apply(makeDocument('web'), signal(t));
  const stopped = await client.stop('web', signal(t));
  assert.deepEqual([stopped.desired, stopped.changed], ['stop', true]);
  assert.equal((await client.stop('web', signal(t))).changed, false);
  assert.equal((await client.start('web', signal(t))).changed, true);
  assert.equal((await client.remove('web', signal(t))).removing, true);
  await assert.rejects(client.start('web', signal(t)), refusal('CONFLICT', /being removed; apply it again/));
  const back = await client.apply(makeDocument('web'), signal(t));
  assert.deepEqual([back.changed, back.created, back.started], [true, false, true]);
  assert.equal((await client.workload('web', signal(t))).workload.removing, undefined);
});

test('what is not there is NOT_FOUND, by whatever verb', async (t) => {
  const { client } = await openFixture(t);
  const none = refusal('NOT_FOUND', /Cannot find/);
  await assert.rejects(client.stop('web', signal(t)), none);
  await assert.rejects(client.remove('web', signal(t)), none);
  await assert.rejects(client.workload('web', signal(t)), none);
  await assert.rejects(client.explain('hello.service', signal(t)), none);
  await assert.rejects(client.instances({ name: 'web.0' }, signal(t)), none);
  await assert.rejects(client.inspectNode('node9', signal(t)), none);
});

test('a body that a client of ours would never send is refused', async (t) => {
  const { client, store } = await openFixture(t);
  const bad: [ErrorCode, RegExp, object][] = [
    ['INVALID_INPUT', /"extra"/, { ...makeDocument('web'), extra: 1 }],
    ['INVALID_INPUT', /at "sticky"/, { ...makeDocument('web'), sticky: 'yes' }],
    ['INVALID_INPUT', /one of muster's own/, makeDocument('muster-x.service')],
    ['INVALID_INPUT', /host itself/, makeDocument('docker.service')],
    ['INVALID_INPUT', /ending in a unit's type/, { ...makeDocument('web'), run: { kind: 'unit', text: '[Service]' } }],
    [
      'INVALID_INPUT',
      /muster's own/,
      makeDocument('web', { run: { ...container, labels: { 'muster.cluster': 'x' } } }),
    ],
    ['INVALID_INPUT', /replica/, makeDocument('a.service', { scale: { kind: 'replicas', replicas: 2 } })],
    [
      'INVALID_INPUT',
      /MachineID with Global/,
      makeDocument('a.service', {
        scale: { kind: 'global' },
        placement: { ...makeDocument('web').placement, machineIds: ['x'] },
      }),
    ],
    ['LIMIT', /at most 10000/, makeDocument('web', { scale: { kind: 'replicas', replicas: 10_001 } })],
    ['LIMIT', /at most 65536/, makeDocument('a.service', { run: { kind: 'unit', text: `#${'x'.repeat(65_536)}` } })],
    ['LIMIT', /at most 2097152/, makeDocument('a.service', { run: { kind: 'unit', text: 'x'.repeat(3_000_000) } })],
  ];
  for (const [code, text, body] of bad) {
    await assert.rejects(client.apply(body as ReturnType<typeof makeDocument>, signal(t)), refusal(code, text));
  }
  assert.equal(store.list(layout.workloads).length, 0);
});

test('hostile paths reach no key of the store', async (t) => {
  const { socketPath, kv } = await openFixture(t);
  const paths = ['..%2f..%2fcluster', '%2e%2e', 'a%00b', '%ff', 'x'.repeat(300), 'web%2F0', '.service'];
  for (const path of paths) {
    const status = await new Promise((resolve, reject) => {
      const sent = request({ socketPath, path: `/v1/workloads/${path}` }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on('error', reject);
      sent.end();
    });
    assert.ok(status === 400 || status === 404, `${path}: ${String(status)}`);
  }
  assert.equal(kv.calls.get('get') ?? 0, 0);
});

test('an error is a problem with code, expectation and request ID', async (t) => {
  const { socketPath } = await openFixture(t);
  const answer = await new Promise<{ type: string | undefined; status: number | undefined; body: string }>(
    (resolve) => {
      request({ socketPath, path: '/v1/workloads/Web', headers: { 'x-request-id': 'mine-1' } }, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        response.on('end', () =>
          resolve({ type: response.headers['content-type'], status: response.statusCode, body }),
        );
      }).end();
    },
  );
  assert.equal(answer.type, 'application/problem+json');
  assert.equal(answer.status, 400);
  const problem = JSON.parse(answer.body) as Record<string, unknown>;
  assert.equal(problem['code'], 'INVALID_INPUT');
  assert.equal(problem['requestId'], 'mine-1');
  assert.match(String(problem['expected']), /^a-z, 0-9/);
});

test('rows tell phase, node and reason of each copy, and what waits', async (t) => {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  const { spec } = await fixture.client.apply(
    makeDocument('web', { scale: { kind: 'replicas', replicas: 2 } }),
    signal(t),
  );
  const order = await assign(fixture, node1, web0, { spec });
  await report(fixture, node1, web0, { spec, assignmentRevision: order, pid: 42 });
  const { rows } = await fixture.client.instances({}, signal(t));
  assert.deepEqual(
    rows.map((row) => [row.display, row.phase, row.node?.hostname, row.role, row.healthy, row.upToDate]),
    [
      ['web.0', 'running', 'node1', 'current', true, true],
      ['web.1', 'pending', undefined, undefined, false, false],
    ],
  );
  assert.equal(rows[1]?.reason, 'waits for the leader to place it');
  const one = await fixture.client.instances({ name: 'web.0' }, signal(t));
  assert.deepEqual(
    one.rows.map((row) => row.pid),
    [42],
  );
  await fixture.remove(layout.presence(node1));
  const lost = await fixture.client.instances({ workload: 'web' }, signal(t));
  assert.deepEqual(
    lost.rows.map((row) => row.phase),
    ['lost', 'pending'],
  );
});

test('a value that cannot be read is reported and hides nothing else', async (t) => {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  await fixture.client.apply(makeDocument('web'), signal(t));
  await fixture.put(`${layout.workloads}broken`, 'not json');
  await fixture.put(`${layout.instances}web/../x`, '{}');
  await fixture.put(layout.nodeRecord(node2), '{"v":99}');
  const { workloads, problems } = await fixture.client.workloads({}, signal(t));
  assert.deepEqual(
    workloads.map(({ name }) => name),
    ['web'],
  );
  assert.equal(problems.length, 3);
  assert.deepEqual(
    (await fixture.client.nodes({}, signal(t))).nodes.map(({ hostname }) => hostname),
    ['node1'],
  );
  await assert.rejects(fixture.client.stop('broken', signal(t)), refusal('CONFLICT', /understand its record/));
});

test('cluster and nodes name the leader', async (t) => {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  await addNode(fixture, node2, 'node2');
  await addLeader(fixture, node2);
  const cluster = await fixture.client.cluster(signal(t));
  assert.equal(cluster.leader?.hostname, 'node2');
  assert.deepEqual(cluster.nodes, { known: 2, present: 2 });
  const { nodes } = await fixture.client.nodes({}, signal(t));
  assert.deepEqual(
    nodes.map(({ hostname, leader, state }) => [hostname, leader, state]),
    [
      ['node1', false, 'up'],
      ['node2', true, 'up'],
    ],
  );
  assert.equal((await fixture.client.inspectNode('2222', signal(t))).node.hostname, 'node2');
});

test('a watch shows an apply through to convergence, frame by frame, and ends with its reader', async (t) => {
  const fixture = await openFixture(t);
  const { client, open } = fixture;
  await addNode(fixture, node1, 'node1');
  const { spec } = await client.apply(makeDocument('web'), signal(t));
  const phases: string[] = [];
  let step = 0;
  for await (const frame of client.watchWorkloads(['web'], signal(t))) {
    phases.push(`${frame.all.map((row) => row.phase).join()}:${frame.summary.converged}`);
    if (frame.summary.converged) break;
    step += 1;
    if (step === 1) await assign(fixture, node1, web0, { spec });
    else if (frame.all[0]?.phase === 'pending' && frame.all[0].node !== undefined) {
      await report(fixture, node1, web0, { spec, phase: 'pulling', healthy: false, progress: 'layer 1 of 2' });
    } else if (frame.all[0]?.phase === 'pulling') await report(fixture, node1, web0, { spec });
  }
  assert.equal(phases[0], 'pending:false');
  assert.equal(phases.at(-1), 'running:true');
  assert.ok(phases.includes('pulling:false'));
  await eventually('the stream ends at the server', 2_000, () => open() === 0);
});

test('a watch tells that a workload is gone', async (t) => {
  const fixture = await openFixture(t);
  await fixture.client.apply(makeDocument('web'), signal(t));
  const gone: boolean[] = [];
  for await (const frame of fixture.client.watchWorkloads(['web'], signal(t))) {
    gone.push(frame.gone);
    if (frame.gone) break;
    await fixture.remove(layout.workload(web));
  }
  assert.deepEqual(gone, [false, true]);
});

test('a client that goes away without a word ends its watch', async (t) => {
  const fixture = await openFixture(t);
  const leave = new AbortController();
  const reading = (async () => {
    for await (const _frame of fixture.client.watchWorkloads(['web'], leave.signal)) leave.abort(new Error('left'));
  })();
  await assert.rejects(reading, /left/);
  await eventually('the watch ends at the server', 2_000, () => fixture.open() === 0);
});

test('a watch of which nobody reads holds one state, not a queue', async (t) => {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  const { spec } = await fixture.client.apply(makeDocument('web'), signal(t));
  await assign(fixture, node1, web0, { spec });
  const iterator = fixture.client.watchWorkloads(['web'], signal(t))[Symbol.asyncIterator]();
  await iterator.next();
  for (let n = 1; n <= 500; n += 1) await report(fixture, node1, web0, { spec, restarts: n });
  let frames = 0;
  for (let restarts = 0; restarts < 500; frames += 1) {
    const next = await iterator.next();
    restarts = next.done === true ? 500 : (next.value.all[0]?.restarts ?? 0);
  }
  assert.ok(frames < 400, `${frames} frames for 500 changes`);
  await iterator.return?.();
});

test('a store that is away is a 503 with the reason, and a watch goes on when it is back', async (t) => {
  const fixture = await openFixture(t);
  await fixture.client.apply(makeDocument('web'), signal(t));
  const iterator = fixture.client.watchWorkloads(['web'], signal(t))[Symbol.asyncIterator]();
  await iterator.next();
  fixture.kv.setFaults({ unreachable: 'refuse' });
  await assert.rejects(fixture.client.workloads({}, signal(t)), refusal('UNAVAILABLE', /store/));
  await assert.rejects(fixture.client.apply(makeDocument('other'), signal(t)), refusal('UNAVAILABLE', /store/));
  fixture.kv.reconnect();
  await fixture.client.stop('web', signal(t));
  const next = await iterator.next();
  assert.equal(next.done !== true && next.value.desired, 'stop');
  await iterator.return?.();
});

const docker = (over: Partial<FakeRuntime>): FakeRuntime => ({
  kind: 'docker',
  async *logs() {
    yield [{ at: '2026-01-01T00:00:00.000Z', stream: 'stdout', text: 'hello' }];
  },
  resolveImage: async () => undefined,
  ...over,
});

test('an image is stored by its digest, and one whose registry fails with a warning', async (t) => {
  let registry = async (): Promise<string | undefined> => 'nginx@sha256:abc';
  const { client } = await openFixture(t, [docker({ resolveImage: () => registry() })]);
  await client.apply(makeDocument('web'), signal(t));
  assert.equal((await client.workload('web', signal(t))).spec?.resolvedImage, 'nginx@sha256:abc');
  registry = async () => {
    throw new AgentError('UNAVAILABLE', 'Cannot reach the registry');
  };
  const { warnings, changed } = await client.apply(
    makeDocument('web', { run: { ...container, image: 'b' } }),
    signal(t),
  );
  assert.equal(changed, true);
  assert.match(warnings[0] ?? '', /digest of image "b" is not known.*Cannot reach the registry/);
});

test('logs come from this node, and name the node that has them otherwise', async (t) => {
  const fixture = await openFixture(t, [docker({})]);
  await addNode(fixture, node2, 'node2');
  const read = async () => {
    const lines = [];
    for await (const batch of fixture.client.logs({ workload: 'web', slot: '0', follow: false }, signal(t)))
      lines.push(...batch.map(({ text }) => text));
    return lines;
  };
  await assign(fixture, node1, web0);
  assert.deepEqual(await read(), ['hello']);
  await assign(fixture, node2, web0);
  await assert.rejects(read(), refusal('CONFLICT', /runs on node2 \(10\.0\.0\.1\): run "muster logs web\.0" there/));
  fixture.kv.setFaults({ unreachable: 'refuse' });
  assert.deepEqual(await read(), ['hello']);
});

test('an error in mid-stream reaches the reader after the lines before it', async (t) => {
  const logs: FakeRuntime['logs'] = async function* () {
    yield [{ at: '2026-01-01T00:00:00.000Z', stream: 'stdout', text: 'one' }];
    throw new AgentError('UNAVAILABLE', 'Cannot reach dockerd');
  };
  const fixture = await openFixture(t, [docker({ logs })]);
  const lines: string[] = [];
  const read = async () => {
    for await (const batch of fixture.client.logs({ workload: 'web', slot: '0', follow: false }, signal(t)))
      lines.push(...batch.map(({ text }) => text));
  };
  await assert.rejects(read(), refusal('UNAVAILABLE', /dockerd/));
  assert.deepEqual(lines, ['one']);
});
