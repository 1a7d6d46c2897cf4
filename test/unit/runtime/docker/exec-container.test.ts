import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../../../src/loop/system-clock.ts';
import type { Engine, EngineCall } from '../../../../src/runtime/docker/engine.ts';
import { execInContainer } from '../../../../src/runtime/docker/exec-container.ts';

const { signal } = new AbortController();
const container = { id: 'c'.repeat(64), name: 'web.0' };

/** A daemon of a few lines, and a machine on which 4242 runs in the container until it's sent a signal. */
function setUp(context: TestContext, inspections: readonly object[]) {
  const root = mkdtempSync(join(tmpdir(), 'muster-exec-'));
  context.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'proc/4242'), { recursive: true });
  writeFileSync(join(root, 'proc/4242/cgroup'), `0::/system.slice/docker-${container.id}.scope\n`);
  const enter = join(root, 'enter');
  writeFileSync(enter, `#!/bin/sh\necho "$@" >>${root}/sent\nrm -f ${root}/proc/4242/cgroup\n`, { mode: 0o755 });
  const answers = inspections.values();
  let last: object = {};
  const engine: Engine = {
    call: async ({ path }: EngineCall) => {
      if (path.startsWith('/containers/')) return { status: 201, body: { Id: 'e1' }, message: '' };
      last = answers.next().value ?? last;
      return { status: 200, body: last, message: '' };
    },
    stream: () => Promise.reject(new Error('not used')),
    hijack: async () => ({ socket: new PassThrough() }) as never,
    version: async () => '1',
    isAbsent: () => false,
    close: () => {},
  };
  const sent = () => readFileSync(join(root, 'sent'), { encoding: 'utf8', flag: 'a+' }).trim();
  const open = async () =>
    execInContainer(
      { engine, clock: systemClock, root, enter: [enter] },
      container,
      { command: ['x'], input: false },
      signal,
    );
  return { open, sent };
}

test('a session that is closed before the daemon knows the PID of its command ends it all the same', async (context) => {
  const { open, sent } = setUp(context, [
    { Running: true, Pid: 0 },
    { Running: true, Pid: 0 },
    { Running: true, Pid: 4242 },
  ]);
  const session = await open();
  await session.close();
  assert.equal(sent(), 'kill -s HUP 4242');
});

test('a session whose command has ended sends no signal', async (context) => {
  const { open, sent } = setUp(context, [{ Running: false, Pid: 4242, ExitCode: 0 }]);
  const session = await open();
  await session.close();
  assert.equal(sent(), '');
});
