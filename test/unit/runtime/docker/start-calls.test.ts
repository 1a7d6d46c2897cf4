import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ClusterId, InstanceKey } from '../../../../src/domain/ids.ts';
import { silentLog } from '../../../../src/loop/log.ts';
import { systemClock } from '../../../../src/loop/system-clock.ts';
import { openDockerRuntime } from '../../../../src/runtime/docker/docker-runtime.ts';
import { makeContainerSpec } from '../../../support/container-spec.ts';

const { signal } = new AbortController();

test('starting a container whose image is here costs two calls: it is created, and it is started', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'muster-docker-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const socketPath = join(directory, 'docker.sock');
  const asked: string[] = [];
  const daemon = createServer((request, response) => {
    const path = (request.url ?? '').replace(/^\/v[\d.]+/, '').replace(/\?.*/, '');
    if (path !== '/version') asked.push(`${request.method ?? ''} ${path}`);
    const answers: Record<string, [status: number, body: object]> = {
      '/version': [200, { Version: '20.10', ApiVersion: '1.41', MinAPIVersion: '1.12' }],
      '/containers/create': [201, { Id: 'c1', Warnings: [] }],
      '/containers/c1/start': [204, {}],
    };
    const [status, body] = answers[path] ?? [404, { message: 'not expected' }];
    request.resume();
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(status === 204 ? undefined : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => daemon.listen(socketPath, resolve));
  context.after(() => daemon.close());
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
  const order = {
    key: 'web/0' as InstanceKey,
    run: makeContainerSpec('image:1'),
    specHash: 'h',
    assignmentRevision: 7,
  };
  await runtime.start({ ...order, disconnect: 'keep', environment: {} }, () => {}, signal);
  assert.deepEqual(asked, ['POST /containers/create', 'POST /containers/c1/start']);
});
