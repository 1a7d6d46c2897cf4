import assert from 'node:assert/strict';
import { type RequestOptions, request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { makeApi } from '../../../src/api/make-api.ts';
import type { TlsOptions } from '../../../src/api/open-tls.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { eventually } from '../../support/eventually.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { readResponse } from '../../support/read-response.ts';
import type { TestCertificate } from '../../support/test-pki.ts';
import { layout, node1 } from '../../unit/api/api-fixture.ts';
import { openTlsFixture, type TlsFixture } from '../../unit/api/tls-fixture.ts';

/** Clients that mean no good, against the API as it is, on a real port. Whoever means well is served all the while. */

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const patience = {
  headersTimeout: 600,
  requestTimeout: 1_200,
  handshakeTimeout: 600,
  connectionsCheckingInterval: 100,
};

interface Attacked extends TlsFixture {
  readonly anna: TestCertificate;
  /** An honest request, on a connection of its own; rejects unless it's answered within 5 s. */
  readonly serves: (from?: string) => Promise<void>;
}

async function openAttacked(t: TestContext, options: Partial<TlsOptions> = {}): Promise<Attacked> {
  const store = new MemoryStore(systemClock, { callMs: 200, attemptMs: 100 });
  const kv = store.client('api');
  t.after(() => kv.close());
  const api = makeApi({
    cluster: 'test',
    version: '1.2.3',
    store: { kv, layout, clock: systemClock },
    node: {
      id: node1,
      hostname: 'node1',
      state: () => ({ joined: true, leader: false, text: '' }),
      onChange: () => () => {},
    },
    runtimes: [],
    clock: systemClock,
    log: silentLog,
  });
  const fixture = await openTlsFixture(t, { api, log: silentLog, ...options });
  const anna = await fixture.pki.issue();
  const serves = async (from = '127.0.0.1') => {
    const { status } = await send(fixture, anna, { path: '/v1/nodes', localAddress: from, timeout: 5_000 });
    assert.equal(status, 200);
  };
  return { ...fixture, anna, serves };
}

interface Sent extends RequestOptions {
  readonly body?: Buffer;
  /** In chunks, without saying its length first. */
  readonly chunked?: boolean;
}

async function send(
  { listener }: TlsFixture,
  { cert, key }: TestCertificate,
  { body, chunked, ...options }: Sent,
): Promise<{ readonly status: number; readonly text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const length = body === undefined || chunked === true ? {} : { 'content-length': body.length };
  const sent = request({
    host: '127.0.0.1',
    port: listener.port,
    agent: false,
    rejectUnauthorized: false,
    cert,
    key,
    headers: { 'content-type': 'application/json', ...length },
    ...options,
  });
  sent.on('response', (response) => {
    readResponse(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
  });
  sent.on('timeout', () => sent.destroy(new Error('not served in time')));
  sent.on('error', reject);
  sent.end(body);
  return promise;
}

/** Connections over TCP that say nothing, from these addresses. They hold out for as long as they are let. */
async function openIdle(port: number, count: number, from: (at: number) => string): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, (_, at) =>
    connect({ host: '127.0.0.1', port, localAddress: from(at) }).on('error', () => {}),
  );
  await Promise.all(
    sockets.map(
      async (socket) =>
        new Promise((resolve) => {
          socket.once('connect', resolve).once('close', resolve);
        }),
    ),
  );
  return sockets;
}

const openHandles = () => process.getActiveResourcesInfo().filter((name) => /TCP|TLS/.test(name)).length;

/** Runs what is meant to do harm; afterwards handles and memory are what they were. */
async function leavesNothing({ listener }: Attacked, attack: () => Promise<void>): Promise<void> {
  collectGarbage();
  const [handles, heapBytes] = [openHandles(), process.memoryUsage().heapUsed];
  await attack();
  await eventually('every connection to be gone', 10_000, () => listener.connections === 0);
  await eventually('handles and memory to be what they were', 10_000, () => {
    collectGarbage();
    const grownBytes = process.memoryUsage().heapUsed - heapBytes;
    if (openHandles() > handles || grownBytes > 4 * 2 ** 20)
      throw new Error(`${openHandles()} of ${handles}, ${grownBytes} bytes`);
    return true;
  });
}

test('a thousand idle connections of one address keep nobody out, there or elsewhere', async (t) => {
  const attacked = await openAttacked(t, { limits: patience });
  await attacked.serves();
  await leavesNothing(attacked, async () => {
    const idle = await openIdle(attacked.listener.port, 1_000, () => '127.0.0.1');
    await eventually(
      'no more than the share of an address to be open',
      5_000,
      () => attacked.listener.connections <= 64,
    );
    await attacked.serves();
    await attacked.serves('127.0.0.2');
    await eventually('the rest to be cut off, since they never say hello', 5_000, () =>
      idle.every(({ destroyed }) => destroyed),
    );
  });
});

test('a thousand idle connections of a thousand addresses keep nobody out', async (t) => {
  const attacked = await openAttacked(t);
  await attacked.serves();
  await leavesNothing(attacked, async () => {
    const idle = await openIdle(attacked.listener.port, 1_000, (at) => `127.1.${at >> 8}.${at & 255}`);
    await eventually('half of what there may be to be open', 5_000, () => attacked.listener.connections <= 512);
    await attacked.serves();
    for (const socket of idle) socket.destroy();
  });
});

test('a certificate that opens more connections than its share loses its idle ones, another one is served', async (t) => {
  const attacked = await openAttacked(t, { connections: 64 });
  const bob = await attacked.pki.issue({ name: 'bob' });
  await leavesNothing(attacked, async () => {
    const sockets: Socket[] = [];
    for (let count = 0; count < 20; count += 1) {
      const { port } = attacked.listener;
      const socket = connectTls({ host: '127.0.0.1', port, cert: bob.cert, key: bob.key, rejectUnauthorized: false });
      sockets.push(socket.on('error', () => {}).resume());
      socket.write('GET /v1/version HTTP/1.1\r\nhost: x\r\n\r\n');
      await new Promise((resolve) => {
        socket.once('data', resolve).once('close', resolve);
      });
    }
    await eventually('an eighth of all to be left', 5_000, () => attacked.listener.connections === 8);
    await attacked.serves();
    for (const socket of sockets) socket.destroy();
  });
});

test('headers that come byte by byte are waited for only so long', async (t) => {
  const attacked = await openAttacked(t, { limits: patience });
  await leavesNothing(attacked, async () => {
    const sockets = Array.from({ length: 50 }, () =>
      connectTls({
        host: '127.0.0.1',
        port: attacked.listener.port,
        cert: attacked.anna.cert,
        key: attacked.anna.key,
        rejectUnauthorized: false,
      }),
    );
    const answers: string[] = [];
    const trickles = sockets.map((socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk: Buffer) => answers.push(chunk.toString()));
      socket.write('GET /v1/version HTTP/1.1\r\nhost: x\r\nx-slow: ');
      return setInterval(() => socket.write('x'), 50);
    });
    await attacked.serves();
    await eventually('all of them to be cut off', 8_000, () => sockets.every(({ destroyed }) => destroyed));
    for (const each of trickles) clearInterval(each);
    assert.match(answers[0] ?? '', /^HTTP\/1\.1 408 [\s\S]*application\/problem\+json/);
  });
});

test('a connection that was used and is idle since is closed, a stream with nothing to tell is not', async (t) => {
  const attacked = await openAttacked(t, { limits: { ...patience, keepAliveTimeout: 300 } });
  const { cert, key } = attacked.anna;
  const open = (path: string) => {
    const { port } = attacked.listener;
    const socket = connectTls({ host: '127.0.0.1', port, cert, key, rejectUnauthorized: false });
    socket.on('error', () => {}).resume();
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
    return socket;
  };
  await leavesNothing(attacked, async () => {
    const following = open('/v1/node/watch');
    const used = open('/v1/version');
    await eventually('the idle one to be closed', 8_000, () => used.destroyed);
    const again = open('/v1/version');
    await eventually('another one to be closed', 8_000, () => again.destroyed);
    assert.equal(following.destroyed, false);
    following.destroy();
  });
});

test('a client that takes nothing of an endless answer costs no memory, and is dropped', async (t) => {
  let madeBytes = 0;
  const endless = () =>
    new ReadableStream(
      {
        pull: (controller) => {
          madeBytes += 65_536;
          controller.enqueue(Buffer.alloc(65_536, 'x'));
        },
      },
      { highWaterMark: 0 },
    );
  const fixture = await openTlsFixture(t, {
    api: { fetch: () => new Response(endless()) },
    limits: { stalledMs: 1_000 },
  });
  const { cert, key } = await fixture.pki.issue();
  const socket = connectTls({ host: '127.0.0.1', port: fixture.listener.port, cert, key, rejectUnauthorized: false });
  socket.on('error', () => {}).pause();
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await eventually('the connection to be made', 5_000, () => fixture.listener.connections === 1 && madeBytes > 0);
  await eventually('it to be dropped', 8_000, () => fixture.listener.connections === 0);
  assert.ok(madeBytes < 16 * 2 ** 20, `${madeBytes} bytes were made for nobody`);
  socket.destroy();
});

test('a body that comes byte by byte is waited for only so long', async (t) => {
  const attacked = await openAttacked(t, { limits: patience });
  await leavesNothing(attacked, async () => {
    const { cert, key } = attacked.anna;
    const socket = connectTls({
      host: '127.0.0.1',
      port: attacked.listener.port,
      cert,
      key,
      rejectUnauthorized: false,
    });
    socket.on('error', () => {});
    socket.resume();
    socket.write(
      'POST /v1/apply HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n',
    );
    const trickle = setInterval(() => socket.write('x'), 50);
    await attacked.serves();
    await eventually('it to be cut off', 8_000, () => socket.destroyed);
    clearInterval(trickle);
  });
});

test('a TLS handshake that stops half way is waited for only so long', async (t) => {
  const attacked = await openAttacked(t, { limits: patience });
  await leavesNothing(attacked, async () => {
    const sockets = await openIdle(attacked.listener.port, 50, () => '127.0.0.1');
    for (const socket of sockets) socket.write(Buffer.from('160301020001', 'hex')); // a hello that never comes
    await attacked.serves();
    await eventually('all of them to be cut off', 8_000, () => sockets.every(({ destroyed }) => destroyed));
  });
});

test('bodies of 10 MB are refused with the limit, announced or not, and not held', async (t) => {
  const attacked = await openAttacked(t);
  const body = Buffer.alloc(10_000_000, 'x');
  await leavesNothing(attacked, async () => {
    for (const chunked of [false, true]) {
      const answers = await Promise.all(
        Array.from({ length: 10 }, async () =>
          send(attacked, attacked.anna, { method: 'POST', path: '/v1/apply', body, chunked }),
        ),
      );
      for (const { status, text } of answers) {
        assert.equal(status, 413, text);
        assert.match(text, /expected at most 2097152 bytes/);
      }
      await attacked.serves();
    }
  });
});

const said: readonly (readonly [name: string, body: Buffer, says: RegExp])[] = [
  ['bytes that are no UTF-8', Buffer.from('{"documents":["\xff\xfe\xc0\x80"]}', 'latin1'), /expected JSON in UTF-8/],
  ['half a character', Buffer.from([0x22, 0xe2, 0x82]), /expected JSON in UTF-8/],
  [
    'a list a hundred thousand levels deep',
    Buffer.from('['.repeat(100_000) + ']'.repeat(100_000)),
    /at most 64 levels deep/,
  ],
  ['a map a hundred thousand levels deep', Buffer.from('{"a":'.repeat(100_000)), /at most 64 levels deep/],
  ['what is no JSON', Buffer.from('{"documents":[}'), /expected JSON/],
  ['nothing', Buffer.alloc(0), /expected JSON/],
  ['a key that is an object’s own', Buffer.from('{"__proto__":{"documents":[]}}'), /expected/],
  ['a byte order mark alone', Buffer.from([0xef, 0xbb, 0xbf]), /expected JSON/],
];

test('what is no JSON, no text or endlessly deep is the client’s mistake', async (t) => {
  const attacked = await openAttacked(t);
  for (const [name, body, says] of said) {
    for (const chunked of [false, true]) {
      const { status, text } = await send(attacked, attacked.anna, {
        method: 'POST',
        path: '/v1/apply',
        body,
        chunked,
      });
      assert.equal(status, 400, `${name}: ${text}`);
      assert.match(text, says, name);
    }
  }
  await attacked.serves();
});

test('brackets in a text count for nothing', async (t) => {
  const attacked = await openAttacked(t);
  const body = Buffer.from(JSON.stringify({ documents: [`${'['.repeat(200)}"\\${'{'.repeat(200)}`] }));
  const { text } = await send(attacked, attacked.anna, { method: 'POST', path: '/v1/apply', body });
  assert.doesNotMatch(text, /levels deep/);
});

const paths: readonly string[] = [
  '/v1/workloads/%ff',
  '/v1/workloads/%',
  '/v1/nodes/..%2f..%2fetc',
  `/v1/workloads/${'a'.repeat(8_000)}`,
  '/v1/instances?limit=-1',
  '/v1/nodes/__proto__',
  '//v1/nodes',
];

test('paths that nobody means are refused, and nothing more happens', async (t) => {
  const attacked = await openAttacked(t);
  for (const path of paths) {
    const { status, text } = await send(attacked, attacked.anna, { path });
    assert.ok(status >= 400 && status < 500, `${path.slice(0, 60)}: ${status} ${text.slice(0, 200)}`);
  }
  const { status } = await send(attacked, attacked.anna, {
    path: '/v1/nodes',
    headers: { 'x-big': 'a'.repeat(20_000) },
  });
  assert.equal(status, 431);
  await attacked.serves();
});
