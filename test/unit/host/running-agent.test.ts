import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readRunningAgent } from '../../../src/host/running-agent.ts';

/** A machine on which process 42 runs with this command line, and holds the agent's lock. */
async function makeMachine(t: TestContext, commandLine: readonly string[]): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'muster-root-'));
  t.after(() => rm(root, { recursive: true }));
  await mkdir(join(root, 'run/muster'), { recursive: true });
  await mkdir(join(root, 'proc/42'), { recursive: true });
  await writeFile(join(root, 'run/muster/agent.lock'), '42\n');
  await writeFile(join(root, 'proc/42/cmdline'), commandLine.map((word) => `${word}\0`).join(''));
  await writeFile(join(root, 'proc/42/environ'), 'PATH=/bin\0MUSTER_LABELS=a=b,c=d\0');
  const fields = Array.from({ length: 50 }, (_, at) => (at === 19 ? 250 : 0));
  await writeFile(join(root, 'proc/42/stat'), `42 (mu ) ster) ${fields.join(' ')}\n`);
  await writeFile(join(root, 'proc/stat'), 'cpu 1 2\nbtime 1000\n');
  return root;
}

test('readRunningAgent() finds the agent with its flags, its environment and when it was started', async (t) => {
  const root = await makeMachine(t, ['/usr/local/bin/muster', 'agent', '--cluster', 'x']);
  assert.deepEqual(await readRunningAgent(root), {
    pid: 42,
    args: ['--cluster', 'x'],
    environment: { PATH: '/bin', MUSTER_LABELS: 'a=b,c=d' },
    startedAtMs: 1_002_500,
  });
});

test('readRunningAgent() finds none where the number has gone to another process, or nothing holds the lock', async (t) => {
  assert.equal(await readRunningAgent(await makeMachine(t, ['/bin/cat'])), undefined);
  assert.equal(await readRunningAgent('/nonexistent'), undefined);
});
