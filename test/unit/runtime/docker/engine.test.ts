import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, test } from 'node:test';
import { systemClock } from '../../../../src/loop/system-clock.ts';
import { type Engine, openEngine } from '../../../../src/runtime/docker/engine.ts';
import { eventually } from '../../../support/eventually.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

/** A daemon that answers as badly as daemons do. */
const directory = mkdtempSync(join(tmpdir(), 'muster-engine-'));
const socketPath = join(directory, 'docker.sock');
const { signal } = new AbortController();
const version = JSON.stringify({ Version: '1.2.3', ApiVersion: '1.41', MinAPIVersion: '1.12' });
let server: Server;
let asked: string[];
let answer: (request: IncomingMessage, reply: ServerResponse) => void;
let engine: Engine;

beforeEach(async () => {
  asked = [];
  server = createServer((request, reply) => {
    asked.push(`${request.method} ${request.url}`);
    if (request.url?.startsWith('/version')) reply.end(version);
    else answer(request, reply);
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  engine = openEngine({ socketPath, clock: systemClock, limitMs: 2_000 });
});

afterEach(async () => {
  engine.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

after(() => rmSync(directory, { recursive: true }));

const connections = () => new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));
const get = { method: 'GET', path: '/x' } as const;

test('an engine agrees on a version once, and sends query, body and credentials as Docker wants them', async () => {
  let got = '';
  answer = (request, reply) => {
    request.on('data', (chunk: Buffer) => {
      got += chunk.toString();
    });
    request.on('end', () => {
      got += ` ${request.headers['content-type']} ${String(request.headers['x-registry-auth'])}`;
      reply.writeHead(201).end('{"Id":"7"}');
    });
  };
  const query = { name: 'a b', all: true };
  const call = {
    method: 'POST',
    path: '/containers/create',
    query,
    body: { Image: 'app' },
    registryAuth: 'secret',
  } as const;
  const reply = await engine.call(call, signal);
  assert.deepEqual(reply, { status: 201, body: { Id: '7' }, message: '{"Id":"7"}' });
  assert.equal(got, '{"Image":"app"} application/json secret');
  got = '';
  await engine.call({ method: 'POST', path: '/containers/7/start' }, signal);
  assert.equal(got, ' undefined undefined', 'a start has no body');
  assert.deepEqual(asked, [
    'GET /version',
    'POST /v1.41/containers/create?name=a%20b&all=true',
    'POST /v1.41/containers/7/start',
  ]);
});

test('an engine gives every status as an answer, with the daemon’s word', async () => {
  for (const status of [304, 404, 409, 500]) {
    answer = (_request, reply) => reply.writeHead(status).end(status === 304 ? undefined : '{"message":"no"}');
    const reply = await engine.call(get, signal);
    assert.deepEqual([reply.status, reply.message], [status, status === 304 ? '' : 'no']);
  }
});

test('an engine gives up a call that is not answered, in head or body, and closes its connection', async () => {
  for (const begin of [() => {}, (reply: ServerResponse) => reply.writeHead(200).write('{"half":')]) {
    answer = (_request, reply) => void begin(reply);
    await assert.rejects(engine.call({ ...get, limitMs: 100 }, signal), {
      code: 'UNAVAILABLE',
      message: /within 100 ms/,
    });
    await eventually('no connection', 2_000, async () => (await connections()) === 0);
  }
});

test('an engine settles when the connection is cut in mid-body', async () => {
  answer = (_request, reply) => {
    reply.writeHead(200, { 'Content-Length': '100' }).write('{"half":', () => reply.destroy());
  };
  await assert.rejects(engine.call(get, signal), { code: 'UNAVAILABLE' });
});

test('an engine throws the reason of an abort at once, and closes the connection', async () => {
  answer = () => {};
  const abort = new AbortController();
  const reason = new Error('no more');
  const call = engine.call(get, abort.signal);
  await eventually('the call', 2_000, () => asked.length === 2);
  abort.abort(reason);
  await assert.rejects(call, (error) => error === reason);
  await eventually('no connection', 2_000, async () => (await connections()) === 0);
});

test('an engine tells an absent daemon from one that went away', async () => {
  const nowhere = openEngine({ socketPath: join(directory, 'none.sock'), clock: systemClock, limitMs: 1_000 });
  const absent = await nowhere.call(get, signal).catch((error: unknown) => error);
  assert.equal(nowhere.isAbsent(absent), true);
  answer = (_request, reply) => reply.end('{}');
  await engine.call(get, signal);
  await new Promise((resolve) => server.close(resolve));
  const gone = await engine.call(get, signal).catch((error: unknown) => error);
  assert.equal((gone as { code?: string }).code, 'UNAVAILABLE');
  assert.equal(engine.isAbsent(gone), false);
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
});

test('an engine takes a daemon that an earlier process saw for one that went away', async () => {
  const seenPath = join(directory, 'docker-seen');
  const options = { clock: systemClock, limitMs: 1_000, seenPath };
  const nowhere = join(directory, 'none.sock');
  const isAbsent = async () => {
    const next = openEngine({ ...options, socketPath: nowhere });
    const error = await next.call(get, signal).catch((failure: unknown) => failure);
    next.close();
    return next.isAbsent(error);
  };
  assert.equal(await isAbsent(), true);
  answer = (_request, reply) => reply.end('{}');
  const first = openEngine({ ...options, socketPath });
  await first.call(get, signal);
  first.close();
  await eventually('the note', 2_000, () => existsSync(seenPath));
  assert.equal(await isAbsent(), false);
});

test('an engine’s stream has no limit once it began, ends on abort, and is closed when abandoned', async () => {
  answer = (_request, reply) => void reply.writeHead(200).write('one');
  const clock = new FakeClock();
  const timed = openEngine({ socketPath, clock, limitMs: 2_000 });
  const abort = new AbortController();
  const opened = await timed.stream(get, abort.signal);
  assert.ok('chunks' in opened);
  const reason = new Error('no more');
  const reading = (async () => {
    for await (const chunk of opened.chunks) {
      assert.equal(chunk.toString(), 'one');
      await clock.advance(60_000);
      assert.equal(await connections(), 1, 'it is still open');
      abort.abort(reason);
    }
  })();
  await assert.rejects(reading, (error) => error === reason);
  await eventually('no connection', 10_000, async () => (await connections()) === 0);
  const other = await timed.stream(get, signal);
  assert.ok('chunks' in other);
  for await (const _chunk of other.chunks) break;
  await eventually('no connection', 10_000, async () => (await connections()) === 0);
  timed.close();
});

test('an engine’s stream that is refused is an answer, and one that breaks is UNAVAILABLE', async () => {
  answer = (_request, reply) => reply.writeHead(404).end('{"message":"no such container"}');
  assert.deepEqual(await engine.stream(get, signal), {
    status: 404,
    body: { message: 'no such container' },
    message: 'no such container',
  });
  answer = (_request, reply) => {
    reply.writeHead(200).write('one', () => reply.destroy());
  };
  const opened = await engine.stream(get, signal);
  assert.ok('chunks' in opened);
  const reading = (async () => {
    for await (const _chunk of opened.chunks);
  })();
  await assert.rejects(reading, { code: 'UNAVAILABLE' });
});
