import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { instanceCodec } from '../../../src/cluster/codecs.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import type { InstanceKey, NodeId } from '../../../src/domain/ids.ts';
import type { ExecOrder } from '../../../src/runtime/port.ts';
import type { ExecChannel } from '../../../src/wire/exec-client.ts';
import type { ExecStart } from '../../../src/wire/exec-frames.ts';
import { eventually } from '../../support/eventually.ts';
import { execHere, type FakeExecs } from '../../support/fake-exec.ts';
import { assign, type Fixture, layout, makeDocument, node1, node2 } from '../../unit/api/api-fixture.ts';
import { openTwoNodes } from '../../unit/api/two-nodes.ts';

const web0 = 'web/0' as InstanceKey;

/** Both nodes run commands as processes of this machine; what is asked of each is noted. */
async function openCluster(t: TestContext, options: { readonly on?: NodeId; readonly peers?: boolean } = {}) {
  const execs: FakeExecs = { open: 0, bytes: 0 };
  const asked: string[] = [];
  const runtimeOf = (name: string) => ({
    runtimes: (['docker', 'systemd'] as const).map((kind) => ({
      kind,
      logs: () => {
        throw new Error('not used');
      },
      resolveImage: async () => undefined,
      exec: async (key: InstanceKey, order: ExecOrder) => {
        asked.push(`${name} ${key} ${order.command[0]}`);
        if (order.command[0] === 'refused') throw new AgentError('CONFLICT', 'Cannot run a command: it is paused');
        return execHere(order, execs);
      },
    })),
  });
  const twins = await openTwoNodes(t, [runtimeOf('node1'), runtimeOf('node2')], options.peers ?? true);
  await twins.nodes[0].client.apply(makeDocument('web'), t.signal);
  await assign(twins.store as Fixture, options.on ?? node1, web0);
  const run = (start: Partial<ExecStart>, signal: AbortSignal = t.signal) =>
    twins.nodes[0].client.exec({ workload: 'web', slot: '0' }, { command: ['true'], input: false, ...start }, signal);
  t.after(() => eventually('all commands to end', 10_000, () => execs.open === 0));
  return { ...twins, execs, asked, run };
}

/** A command to its end. */
async function ran(channel: ExecChannel): Promise<{ stdout: string; stderr: string; code: number }> {
  const texts = { stdout: '', stderr: '' };
  for await (const { stream, data } of channel.output) texts[stream] += data.toString();
  return { ...texts, code: channel.exitCode() };
}

const shell = (script: string) => ['sh', '-c', script];

test('a name with a backslash, as systemd-escape makes it, reaches the other node as it is', async (t) => {
  const { nodes, store, asked } = await openCluster(t);
  const workload = 'a\\x2db@c\\x5cd.service';
  await nodes[0].client.apply(makeDocument(workload), t.signal);
  await assign(store as Fixture, node2, `${workload}/0` as InstanceKey);
  const start = { command: ['true'], input: false };
  assert.equal((await ran(await nodes[0].client.exec({ workload, slot: '0' }, start, t.signal))).code, 0);
  assert.deepEqual(asked, [`node2 ${workload}/0 true`]);
});

for (const [where, on] of [
  ['this node', node1],
  ['another node', node2],
] as const) {
  test(`a command runs on ${where}, its output comes by stream, and its exit code is known`, async (t) => {
    const { run, asked } = await openCluster(t, { on });
    const done = await ran(await run({ command: shell('echo out; echo err >&2; cat; exit 3') }));
    assert.deepEqual(done, { stdout: 'out\n', stderr: 'err\n', code: 3 });
    assert.deepEqual(asked, [`${on === node1 ? 'node1' : 'node2'} web/0 sh`]);
    assert.equal((await ran(await run({ command: shell('kill -9 $$') }))).code, 137);
  });

  test(`megabytes go through a command on ${where} unchanged, and its input ends`, async (t) => {
    const { run } = await openCluster(t, { on });
    const channel = await run({ command: ['cat'], input: true });
    const sent = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => index % 251));
    const writing = channel.write(sent).then(() => channel.endInput());
    const chunks: Buffer[] = [];
    for await (const { data } of channel.output) chunks.push(data);
    await writing;
    assert.ok(Buffer.concat(chunks).equals(sent));
    assert.equal(channel.exitCode(), 0);
  });

  test(`a terminal on ${where} has its size, and learns of a new one`, async (t) => {
    const { run } = await openCluster(t, { on });
    const terminal = { columns: 90, rows: 33, type: 'vt220' };
    const command = shell('stty size; echo "$TERM"; read line; stty size; exit 4');
    const channel = await run({ command, terminal, input: true });
    let text = '';
    const reading = (async () => {
      for await (const { data } of channel.output) text += data.toString();
    })();
    await eventually('the first size', 5_000, () => text.includes('33 90\r\nvt220\r\n'));
    channel.resize({ columns: 120, rows: 50 });
    await channel.write(Buffer.from('go\n'));
    await reading;
    assert.match(text, /go\r\n50 120\r\n$/);
    assert.equal(channel.exitCode(), 4);
  });

  test(`a command on ${where} that nobody reads is slowed down, not gathered`, async (t) => {
    const { run, execs } = await openCluster(t, { on });
    const before = process.memoryUsage().rss;
    const channel = await run({ command: ['yes', 'x'.repeat(100)] });
    const reading = channel.output[Symbol.asyncIterator]();
    await reading.next();
    let bytes = -1;
    const standsStill = () => {
      const before = bytes;
      bytes = execs.bytes;
      return before === bytes;
    };
    await eventually('the command to stand still', 10_000, standsStill, 100);
    assert.ok(bytes < 50e6, `${bytes} bytes were taken for a reader that stands still`);
    const grown = (process.memoryUsage().rss - before) / 2 ** 20;
    assert.ok(grown < 100, `memory has grown by ${grown.toFixed(0)} MB`);
    channel.close();
    await eventually('its end', 5_000, () => execs.open === 0);
  });

  test(`a command on ${where} ends when its client goes`, async (t) => {
    const { run, execs, nodes } = await openCluster(t, { on });
    for (const terminal of [undefined, { columns: 80, rows: 24, type: 'xterm' }]) {
      const stop = new AbortController();
      const given = terminal === undefined ? {} : { terminal };
      const channel = await run({ command: shell('echo begun; sleep 100000'), ...given }, stop.signal);
      const output = channel.output[Symbol.asyncIterator]();
      await output.next();
      assert.equal(execs.open, 1);
      const reason = new Error('enough');
      stop.abort(reason);
      await assert.rejects(output.next(), (error) => error === reason);
      await eventually('its end', 5_000, () => execs.open === 0 && nodes.every(({ api }) => api.open === 0));
    }
  });

  test(`a command on ${where} that reads nothing ends when its client goes in the middle of the input`, async (t) => {
    const { run, execs, nodes } = await openCluster(t, { on });
    const channel = await run({ command: shell('exec sleep 100000'), input: true });
    await eventually('its begin', 5_000, () => execs.open === 1);
    let [taken, before, isGone] = [0, 0, false];
    const writing = (async () => {
      for (; !isGone; taken += 1) await channel.write(Buffer.alloc(65_536));
    })().catch(() => {});
    const isFull = () => {
      const isSame = taken > 0 && taken === before;
      before = taken;
      return isSame;
    };
    await eventually('all buffers on the way to be full', 10_000, isFull, 300);
    isGone = true;
    channel.close();
    await writing;
    await eventually('its end', 30_000, () => execs.open === 0 && nodes.every(({ api }) => api.open === 0));
  });
}

test('what cannot be run is refused with the reason', async (t) => {
  const { run, setReachable, store, nodes } = await openCluster(t, { on: node2 });
  await assert.rejects(run({ command: ['refused'] }), { code: 'CONFLICT', message: /it is paused/ });
  await assert.rejects(run({ command: [] }), { code: 'INVALID_INPUT', message: /start\.command/ });
  const wide = { columns: 100_000, rows: 1, type: 'xterm' };
  await assert.rejects(run({ terminal: wide }), { code: 'INVALID_INPUT', message: /columns and rows/ });
  const unknown = { workload: 'nobody', slot: '0' };
  const exec = nodes[0].client.exec({ ...unknown, slot: '../0' }, { command: ['true'], input: false }, t.signal);
  await assert.rejects(exec, { code: 'INVALID_INPUT' });
  setReachable(node2, false);
  await assert.rejects(run({}), { code: 'UNAVAILABLE', message: /Cannot reach node 22222222/ });
  const pending = { reason: 'no node fits', since: '2026-01-01T00:00:00Z', nodes: {} };
  await store.put(layout.instance(web0), instanceCodec.encode({ copies: [], moves: [], pending }));
  await assert.rejects(run({}), { code: 'CONFLICT', message: /pending: no node fits/ });
});

test('a command breaks off with its node, and that is said', async (t) => {
  const { run, setReachable } = await openCluster(t, { on: node2 });
  const channel = await run({ command: shell('echo begun; sleep 100000') });
  const output = channel.output[Symbol.asyncIterator]();
  await output.next();
  setReachable(node2, false);
  await assert.rejects(output.next(), { code: 'UNAVAILABLE', message: /connection to its node broke/ });
});

test('without an API over TCP the node is named that runs the instance', async (t) => {
  const { run } = await openCluster(t, { on: node2, peers: false });
  await assert.rejects(run({}), {
    code: 'CONFLICT',
    message: /it runs on node2 \(10\.0\.0\.1\): run "muster exec web\.0"/,
  });
});

test('a request without a WebSocket, and a WebSocket to anything else, are refused', async (t) => {
  const { nodes } = await openCluster(t);
  const { socketPath } = nodes[0];
  const asking = request({ socketPath, path: '/v1/instances/web/0/exec' }).end();
  const [response] = await once(asking, 'response');
  assert.equal(response.statusCode, 426);
  response.destroy();
  for (const path of ['/v1/workloads', '/v1/instances/web/exec']) {
    const socket = new WebSocket(`ws://muster${path}`, { createConnection: () => connect(socketPath) });
    const [error] = await once(socket, 'error');
    assert.match(String(error), /404/);
  }
});

test('a client that says nothing sensible is hung up on, and starts nothing', async (t) => {
  const { nodes, asked } = await openCluster(t);
  const { socketPath } = nodes[0];
  for (const message of [
    '{',
    '[]',
    '{"end":"stdin"}',
    Buffer.from('input'),
    '{"start":{"command":"ls","input":false}}',
  ]) {
    const socket = new WebSocket('ws://muster/v1/instances/web/0/exec', {
      createConnection: () => connect(socketPath),
    });
    await once(socket, 'open');
    socket.send(message);
    const [data] = await once(socket, 'message');
    assert.equal((JSON.parse(String(data)) as { problem: { code: string } }).problem.code, 'INVALID_INPUT');
    await once(socket, 'close');
  }
  const flood = new WebSocket('ws://muster/v1/instances/web/0/exec', { createConnection: () => connect(socketPath) });
  await once(flood, 'open');
  flood.on('error', () => {});
  flood.send(Buffer.alloc(1_000_000));
  await once(flood, 'close');
  assert.deepEqual(asked, []);
  await eventually('nothing to stay open', 5_000, () => nodes[0].api.open === 0);
});
