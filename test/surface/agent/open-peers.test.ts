import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { openPeers } from '../../../src/agent/open-peers.ts';
import type { TlsMaterial } from '../../../src/api/open-tls.ts';
import { nodeRecordCodec } from '../../../src/cluster/codecs.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { EXEC_MESSAGE_LIMIT_BYTES } from '../../../src/wire/exec-frames.ts';
import { eventually } from '../../support/eventually.ts';
import type { TestPki } from '../../support/test-pki.ts';
import { layout, node1, node2, openFixture } from '../../unit/api/api-fixture.ts';
import { openTlsFixture, type TlsFixture } from '../../unit/api/tls-fixture.ts';

const anna = { via: 'tls', name: 'anna', role: 'viewer' } as const;
const get = (path: string) => ({ method: 'GET', path, onBehalfOf: anna }) as const;

interface Two {
  readonly tls: TlsFixture;
  readonly peers: ReturnType<typeof openPeers>;
  readonly signal: AbortSignal;
  /** Says in the store where node1's API is. */
  readonly move: (api: string | undefined) => Promise<void>;
  readonly use: (material: TlsMaterial | undefined) => void;
}

/** Node2 with its peers; node1's API is behind a real listener. */
async function openTwo(t: TestContext): Promise<Two> {
  const fixture = await openFixture(t);
  const tls = await openTlsFixture(t, { api: { fetch: fixture.fetch } });
  const move = async (api: string | undefined) => {
    const record = {
      ...{ machineId: node1, bootId: 'boot', hostname: 'node1', addresses: [], advertise: '127.0.0.1', labels: {} },
      ...{
        capacity: { cpus: 1, memoryBytes: 1 },
        runtimes: {},
        agentVersion: '1',
        formats: [1],
        at: '2026-01-01T00:00:00Z',
      },
      ...(api === undefined ? {} : { api }),
    };
    await fixture.put(layout.nodeRecord(node1), nodeRecordCodec.encode(record));
  };
  await move(`127.0.0.1:${tls.listener.port}`);
  let material: TlsMaterial | undefined = await issueNode2(tls.pki);
  const peers = openPeers({ kv: fixture.kv, layout, clock: systemClock, material: () => material });
  t.after(() => peers.close());
  const use = (next: TlsMaterial | undefined) => {
    material = next;
  };
  return { tls, peers, signal: new AbortController().signal, move, use };
}

const issueNode2 = async (pki: TestPki, lifetimeMs = 60_000) => pki.issue({ role: 'node', name: node2, lifetimeMs });

const refused = (code: string, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof AgentError, String(error));
  const text = `${error.message}: ${error.cause instanceof Error ? error.cause.message : ''}`;
  assert.equal(error.code, code, text);
  assert.match(text, says);
  return true;
};

test('another node is asked with this node’s certificate, and its answer comes as it is', async (t) => {
  const { peers, signal } = await openTwo(t);
  const answer = await peers.fetch(node1, get('/v1/version'), signal);
  assert.equal(answer.status, 200);
  assert.equal(((await answer.json()) as { version: string }).version, '1.2.3');
  const missing = await peers.fetch(node1, get('/v1/nowhere'), signal);
  assert.equal(missing.status, 404);
  assert.equal(missing.headers.get('content-type'), 'application/problem+json');
});

test('what is asked for somebody says for whom', async (t) => {
  const callers = await openTlsFixture(t);
  const two = await openTwo(t);
  callers.listener.reload({ ...callers.server, ca: callers.server.ca + two.tls.pki.ca });
  two.use({ ...(await issueNode2(callers.pki)), ca: callers.pki.ca });
  await two.move(`127.0.0.1:${callers.listener.port}`);
  await (await two.peers.fetch(node1, get('/'), two.signal)).text();
  assert.deepEqual(callers.callers.at(-1), {
    via: 'tls',
    role: 'node',
    name: node2,
    onBehalfOf: { name: 'anna', role: 'viewer' },
  });
});

test('a stream comes as it is made, and its end by the signal reaches the other node', async (t) => {
  let cancelled = false;
  let made = 0;
  const api = {
    fetch: () =>
      new Response(
        new ReadableStream(
          {
            pull: (controller) => {
              made += 1;
              controller.enqueue(Buffer.alloc(65_536, 'x'));
            },
            cancel: () => {
              cancelled = true;
            },
          },
          { highWaterMark: 0 },
        ),
      ),
    open: 0,
    close: () => {},
  };
  const stream = await openTlsFixture(t, { api });
  const two = await openTwo(t);
  two.use(await issueNode2(stream.pki));
  await two.move(`127.0.0.1:${stream.listener.port}`);
  const stop = new AbortController();
  const answer = await two.peers.fetch(node1, get('/'), stop.signal);
  const reader = answer.body?.getReader();
  assert.ok((await reader?.read())?.value);
  let before = -1;
  await eventually(
    'the other node to wait for the reader',
    10_000,
    () => {
      const isStill = made === before;
      before = made;
      return isStill;
    },
    200,
  );
  assert.ok(made < 400, `${made} parts of 64 KB were made for a reader that took one`);
  stop.abort();
  await eventually('the other node to be told', 5_000, () => cancelled);
  await assert.rejects(async () => {
    while ((await reader?.read())?.done === false);
  });
});

test('an address that another machine has since is refused', async (t) => {
  const two = await openTwo(t);
  await (await two.peers.fetch(node1, get('/v1/version'), two.signal)).text();
  const other = await openTlsFixture(t);
  other.listener.reload({ ...(await two.tls.pki.issue({ role: 'node', name: '3'.repeat(32) })) });
  await two.move(`127.0.0.1:${other.listener.port}`);
  await assert.rejects(
    two.peers.fetch(node1, get('/v1/version'), two.signal),
    refused('UNAVAILABLE', /Cannot ask node "node1".*it is node 3{32} of cluster "test": expected node 1{32}/),
  );
  assert.deepEqual(other.callers, [], 'it was told nothing');
});

test('a kept connection is never taken for another node at the same address', async (t) => {
  const two = await openTwo(t);
  const material = await issueNode2(two.tls.pki);
  const peers = openPeers({
    kv: {
      get: async () =>
        Promise.resolve({
          kv: { key: 'k', value: recordAt(two.tls.listener.port), createRevision: 1, modRevision: 1, lease: '0' },
          ...{ clusterId: 'c', raftTerm: 2, revision: 1 },
        }),
    },
    layout,
    clock: systemClock,
    material: () => material,
  });
  t.after(() => peers.close());
  await (await peers.fetch(node1, get('/v1/version'), two.signal)).text();
  await assert.rejects(
    peers.fetch(node2, get('/v1/version'), two.signal),
    refused('UNAVAILABLE', /expected node 2{32}/),
  );
});

function recordAt(port: number): string {
  return nodeRecordCodec.encode({
    ...{ machineId: 'm', bootId: 'boot', hostname: 'some', addresses: [], advertise: '127.0.0.1', labels: {} },
    ...{
      capacity: { cpus: 1, memoryBytes: 1 },
      runtimes: {},
      agentVersion: '1',
      formats: [1],
      at: '2026-01-01T00:00:00Z',
    },
    api: `127.0.0.1:${port}`,
  });
}

test('a node that isn’t there, has no address or does not answer is named', async (t) => {
  const two = await openTwo(t);
  await assert.rejects(two.peers.fetch(node2, get('/'), two.signal), refused('NOT_FOUND', /there is no such node/));
  await two.move(undefined);
  await assert.rejects(
    two.peers.fetch(node1, get('/'), two.signal),
    refused('UNAVAILABLE', /"node1": expected its API to listen on TCP/),
  );
  await two.move('127.0.0.1:1');
  await assert.rejects(
    two.peers.fetch(node1, get('/'), two.signal),
    refused('UNAVAILABLE', /Cannot ask node "node1".*Cannot reach the agent/),
  );
  two.use(undefined);
  await assert.rejects(
    two.peers.fetch(node1, get('/'), two.signal),
    refused('UNAVAILABLE', /expected this node to have a certificate/),
  );
});

test('a new certificate is shown with the next request', async (t) => {
  const { tls, peers, signal, use } = await openTwo(t);
  const short = await issueNode2(tls.pki, 60_000);
  use(short);
  await (await peers.fetch(node1, get('/v1/version'), signal)).text();
  const gone = await tls.pki.issue({
    role: 'node',
    name: node2,
    now: new Date(Date.now() - 7_200_000),
    lifetimeMs: 3_600_000,
  });
  use(gone);
  const answer = await peers.fetch(node1, get('/v1/version'), signal);
  assert.equal(answer.status, 401, 'the one that has ended');
  await answer.text();
});

/** Node1 as a server of WebSockets that answers what it hears; refuses `/refused`. */
async function openEcho(t: TestContext, two: Two): Promise<Server> {
  const certificate = await two.tls.pki.issue({ role: 'node', name: node1 });
  const server = createServer({ ...certificate, requestCert: true });
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    if (request.url === '/refused') {
      const body = JSON.stringify({ code: 'FORBIDDEN', detail: 'Cannot do that' });
      socket.end(`HTTP/1.1 403 Forbidden\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) =>
      opened.on('message', (data) => opened.send(`heard ${String(data)}`)),
    );
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => {
    sockets.close();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  await two.move(`127.0.0.1:${port}`);
  return server;
}

test('a message of another node that is larger than any of ours ends the connection, and is not held', async (t) => {
  const two = await openTwo(t);
  await openEcho(t, two);
  const socket = await two.peers.connect(node1, { path: '/exec', onBehalfOf: anna }, two.signal);
  const heard = new Promise<string>((resolve) => {
    socket.once('message', (data: Buffer) => resolve(String(data)));
  });
  const largest = 'x'.repeat(EXEC_MESSAGE_LIMIT_BYTES - 'heard '.length);
  socket.send(largest);
  assert.equal((await heard).length, EXEC_MESSAGE_LIMIT_BYTES);
  const failed = new Promise<Error>((resolve) => {
    socket.once('error', resolve);
  });
  socket.send(`${largest}x`);
  assert.match((await failed).message, /Max payload size exceeded/);
});

test('a WebSocket goes to that node alone, and a refusal comes as the node made it', async (t) => {
  const two = await openTwo(t);
  const server = await openEcho(t, two);
  const stop = new AbortController();
  const socket = await two.peers.connect(node1, { path: '/exec', onBehalfOf: anna }, stop.signal);
  const heard = new Promise((resolve) => {
    socket.once('message', (data) => resolve(String(data)));
  });
  socket.send('hello');
  assert.equal(await heard, 'heard hello');
  const closed = new Promise((resolve) => {
    socket.once('close', resolve);
  });
  stop.abort();
  await closed;
  await assert.rejects(
    two.peers.connect(node1, { path: '/refused', onBehalfOf: anna }, two.signal),
    refused('FORBIDDEN', /Cannot do that/),
  );
  server.setSecureContext(await two.tls.pki.issue({ role: 'node', name: '3'.repeat(32) }));
  await assert.rejects(
    two.peers.connect(node1, { path: '/exec', onBehalfOf: anna }, two.signal),
    refused('UNAVAILABLE', /expected node 1{32}/),
  );
});
