import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openApi } from '../../../src/api/open-api.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { openClient } from '../../../src/wire/client.ts';

const api = {
  version: '1.2.3',
  fetch: () => new Response('{"version":"1","api":"v1"}'),
  open: 0,
  upgrade: async () => {},
  close: () => {},
};

async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-socket-'));
  t.after(async () => rm(folder, { recursive: true }));
  return folder;
}

const listenAt = async (socketPath: string) => openApi(api, { socketPath, group: 'no-such-group', log: silentLog });

async function version(t: TestContext, socketPath: string): Promise<string> {
  const client = openClient({ socketPath });
  try {
    return (await client.version(t.signal)).version;
  } finally {
    client.close();
  }
}

const refused = (code: string, text: RegExp) => (error: unknown) =>
  error instanceof AgentError && error.code === code && text.test(error.message);

test('the socket has mode 0660, is answered, and goes with its listener', async (t) => {
  const folder = await makeFolder(t);
  const path = join(folder, 'run', 'api.sock');
  const listener = await listenAt(path);
  assert.equal((await stat(path)).mode & 0o777, 0o660);
  assert.equal(await version(t, path), '1');
  await listener.close();
  assert.deepEqual(await readdir(join(folder, 'run')), []);
});

test('a socket that a dead process left is replaced', async (t) => {
  const path = join(await makeFolder(t), 'api.sock');
  const beside = `${path}.kept`;
  const dead = createServer();
  await new Promise<void>((resolve) => {
    dead.listen(beside, resolve);
  });
  const { rename } = await import('node:fs/promises');
  await rename(beside, path);
  await new Promise((resolve) => {
    dead.close(resolve);
  });
  const listener = await listenAt(path);
  assert.equal(await version(t, path), '1');
  await listener.close();
});

test('a socket that is answered, and a file that is no socket, are left alone', async (t) => {
  const folder = await makeFolder(t);
  const path = join(folder, 'api.sock');
  const first = await listenAt(path);
  await assert.rejects(listenAt(path), refused('CONFLICT', /another agent answers there/));
  assert.equal(await version(t, path), '1');
  await first.close();
  const file = join(folder, 'file');
  await writeFile(file, '');
  await assert.rejects(listenAt(file), refused('CONFLICT', /expected a socket or nothing there/));
});

test('a listener that closes late leaves the socket of its successor', async (t) => {
  const path = join(await makeFolder(t), 'api.sock');
  const first = await listenAt(path);
  await rm(path);
  const second = await listenAt(path);
  await first.close();
  assert.equal(await version(t, path), '1');
  await second.close();
});

test('a path too long for a socket is refused with the number', async (t) => {
  const path = join(await makeFolder(t), 'x'.repeat(100));
  await assert.rejects(listenAt(path), refused('INVALID_INPUT', /at most 98 bytes/));
});

test('without an agent the client says what to look at', async (t) => {
  const path = join(await makeFolder(t), 'api.sock');
  await assert.rejects(
    version(t, path),
    refused('UNAVAILABLE', /Cannot reach the agent at .*api\.sock: is muster\.service running\?/),
  );
});

test('closing ends a request that never would have', async (t) => {
  const path = join(await makeFolder(t), 'api.sock');
  const hanging = { ...api, fetch: () => new Promise<Response>(() => {}) };
  const listener = await openApi(hanging, { socketPath: path, group: 'x', log: silentLog });
  const asking = assert.rejects(version(t, path), refused('UNAVAILABLE', /connection broke/));
  const client = openClient({ socketPath: path });
  const second = assert.rejects(client.version(t.signal), refused('UNAVAILABLE', /connection broke/));
  await new Promise((resolve) => {
    setImmediate(() => setImmediate(resolve));
  });
  await listener.close();
  await Promise.all([asking, second]);
});

test('a connection that asks too often is told when to come again, another one is served', async (t) => {
  const path = join(await makeFolder(t), 'api.sock');
  const listener = await openApi(api, { socketPath: path, group: 'x', log: silentLog, requestsPerSecond: 2 });
  t.after(() => listener.close());
  const client = openClient({ socketPath: path });
  t.after(() => client.close());
  for (let count = 0; count < 4; count += 1) await client.version(t.signal);
  await assert.rejects(client.version(t.signal), refused('LIMIT', /expected at most 2 a second/));
  assert.equal(await version(t, path), '1');
});
