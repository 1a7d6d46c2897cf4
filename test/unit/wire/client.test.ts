import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AgentError } from '../../../src/domain/errors.ts';
import { type Client, openClient } from '../../../src/wire/client.ts';
import { readLines } from '../../../src/wire/lines.ts';
import { parseProblem } from '../../../src/wire/problem.ts';

async function serve(t: TestContext, listener: RequestListener, timeoutMs = 5_000): Promise<Client> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-wire-'));
  const socketPath = join(folder, 's');
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(socketPath, resolve);
  });
  const client = openClient({ socketPath }, { timeoutMs });
  t.after(async () => {
    client.close();
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });
  return client;
}

const refused = (code: string, text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof AgentError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, text);
  return true;
};

test('names are encoded into paths, and filters into a query', async (t) => {
  const urls: (string | undefined)[] = [];
  const client = await serve(t, (request, response) => {
    urls.push(request.url);
    response.end('{}');
  });
  await client.workload('a@b\\x2f.service', t.signal);
  await client.instances({ name: 'a b&c' }, t.signal);
  await client.instances({}, t.signal);
  assert.deepEqual(urls, ['/v1/workloads/a%40b%5Cx2f.service', '/v1/instances?name=a%20b%26c', '/v1/instances']);
});

test('an answer that does not come is UNAVAILABLE after the time, with the number', async (t) => {
  const client = await serve(t, () => {}, 100);
  await assert.rejects(client.version(t.signal), refused('UNAVAILABLE', /within 100 ms/));
});

test('an abort is thrown as it was given', async (t) => {
  const client = await serve(t, () => {});
  const reason = new Error('enough');
  const stop = new AbortController();
  const asking = client.version(stop.signal);
  stop.abort(reason);
  await assert.rejects(asking, (error) => error === reason);
  await assert.rejects(client.version(stop.signal), (error) => error === reason);
});

test('a connection that breaks in an answer or in a stream is UNAVAILABLE', async (t) => {
  const client = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('{"joined":true}\n{"joi', () => response.destroy());
  });
  await assert.rejects(client.version(t.signal), refused('UNAVAILABLE', /answer to its end/));
  const seen: boolean[] = [];
  const read = async () => {
    for await (const { joined } of client.watchNode(t.signal)) seen.push(joined);
  };
  await assert.rejects(read(), refused('UNAVAILABLE', /connection broke/));
  assert.deepEqual(seen, [true]);
});

test("an answer that is none of the agent's is INTERNAL", async (t) => {
  const client = await serve(t, (_request, response) => {
    response.end('<html>');
  });
  await assert.rejects(client.version(t.signal), refused('INTERNAL', /expected JSON/));
});

test('leaving a stream early closes its connection', async (t) => {
  const closed = Promise.withResolvers<void>();
  const client = await serve(t, (_request, response) => {
    response.on('close', () => closed.resolve());
    response.write('{"joined":true}\n');
  });
  for await (const _state of client.watchNode(t.signal)) break;
  await closed.promise;
});

test('lines are read across chunks and characters; blank ones are skipped', async () => {
  const bytes = new TextEncoder().encode('{"a":"ü"}\n\n\r\n{"a":2}\n{"half"');
  async function* chunks() {
    for (const byte of bytes) yield new Uint8Array([byte]);
  }
  const seen: unknown[] = [];
  for await (const value of readLines(chunks())) seen.push(value);
  assert.deepEqual(seen, [{ a: 'ü' }, { a: 2 }]);
});

test('a problem keeps its code and words; anything else is told by its status', () => {
  const problem = parseProblem({ code: 'LIMIT', detail: 'Cannot x: expected y' }, 413);
  assert.deepEqual([problem.code, problem.message], ['LIMIT', 'Cannot x: expected y']);
  assert.equal(parseProblem({ code: 'toString', detail: 'x' }, 500).code, 'INTERNAL');
  assert.equal(parseProblem(undefined, 503).code, 'UNAVAILABLE');
});
