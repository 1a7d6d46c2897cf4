import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import type { ClusterId, InstanceKey } from '../../../../src/domain/ids.ts';
import { silentLog } from '../../../../src/loop/log.ts';
import { systemClock } from '../../../../src/loop/system-clock.ts';
import { openDockerRuntime } from '../../../../src/runtime/docker/docker-runtime.ts';
import type { StartOrder } from '../../../../src/runtime/port.ts';
import { makeContainerSpec } from '../../../support/container-spec.ts';

const { signal } = new AbortController();

/** Whose containers are those that it was asked to create, and whose runtime is open. */
async function setUp(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'muster-docker-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const socketPath = join(directory, 'docker.sock');
  const asked: string[] = [];
  const labels = new Map<string, unknown>();
  const answer = (path: string, body: string): readonly [status: number, body: unknown] => {
    if (path === '/version') return [200, { Version: '20.10', ApiVersion: '1.41', MinAPIVersion: '1.12' }];
    if (path === '/containers/json') return [200, []]; // as it was when it was listed
    if (path === '/containers/create') {
      if (labels.size > 0) return [409, { message: 'the name is taken' }];
      labels.set('c1', (JSON.parse(body) as { Labels: unknown }).Labels);
      return [201, { Id: 'c1', Warnings: [] }];
    }
    if (path === '/containers/c1/start') return [204, {}];
    if (!labels.has('c1')) return [404, { message: 'not expected' }];
    return [200, { Id: 'c1', Config: { Labels: labels.get('c1') }, State: { Status: 'created' } }];
  };
  const daemon = createServer((request, response) => {
    const path = (request.url ?? '').replace(/^\/v[\d.]+/, '').replace(/\?.*/, '');
    if (path !== '/version') asked.push(`${request.method ?? ''} ${path}`);
    response.setHeader('content-type', 'application/json');
    if (path === '/events') {
      response.flushHeaders(); // none comes
      return;
    }
    void text(request).then((sent) => {
      const [status, body] = answer(path, sent);
      response.writeHead(status).end(status === 204 ? undefined : JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => daemon.listen(socketPath, resolve));
  context.after(() => {
    daemon.close();
    daemon.closeAllConnections();
  });
  const runtime = openDockerRuntime({
    socketPath,
    clusterId: 'ours' as ClusterId,
    registryConfigPaths: [],
    clock: systemClock,
    log: silentLog,
    random: Math.random,
    killProcess: () => {},
  });
  context.after(() => runtime.close());
  return { runtime, asked };
}

const order: StartOrder = {
  key: 'web/0' as InstanceKey,
  run: makeContainerSpec('image:1'),
  specHash: 'h',
  disconnect: 'keep',
  assignmentRevision: 7,
  environment: {},
};

test('starting a container whose image is here costs two calls: it is created, and it is started', async (context) => {
  const { runtime, asked } = await setUp(context);
  await runtime.start(order, () => {}, signal);
  assert.deepEqual(asked, ['POST /containers/create', 'POST /containers/c1/start']);
});

test('a container whose start was given up while it was created is seen at once, and not made again', async (context) => {
  const { runtime } = await setUp(context);
  const end = new AbortController();
  context.after(() => end.abort());
  const opened = Promise.withResolvers<void>();
  const running = runtime.run(opened.resolve, end.signal);
  await opened.promise;
  assert.deepEqual(await runtime.observe(signal), []);

  const abort = new AbortController();
  const begin = () => queueMicrotask(() => abort.abort(new Error('the order has changed')));
  await assert.rejects(runtime.start(order, begin, abort.signal), /the order has changed/);
  const shown = (await runtime.observe(signal)).map(({ key, specHash, phase }) => `${key} ${specHash} ${phase}`);
  assert.deepEqual(shown, ['web/0 h stopped']);
  await assert.rejects(
    runtime.start({ ...order, specHash: 'h2' }, () => {}, signal),
    /earlier spec to be removed first/,
  );
  end.abort();
  await running;
});
