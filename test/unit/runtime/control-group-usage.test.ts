import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { InstanceKey } from '../../../src/domain/ids.ts';
import { parseGroups, readUsage } from '../../../src/runtime/control-group-usage.ts';

const key = 'web/0' as InstanceKey;

/** A machine's /proc and /sys as these files. */
async function makeMachine(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'muster-usage-'));
  t.after(async () => rm(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

test('readUsage() reads version 2, without what could be given back, also for a process in a group below', async (t) => {
  const group = '/sys/fs/cgroup/system.slice/web.service';
  const root = await makeMachine(t, {
    '/proc/42/cgroup': '0::/system.slice/web.service/worker\n',
    [`${group}/cpu.stat`]: 'usage_usec 1500000\nuser_usec 1\n',
    [`${group}/memory.current`]: '5000\n',
    [`${group}/memory.stat`]: 'anon 100\ninactive_file 1000\n',
  });
  const usage = await readUsage([{ key, pid: 42, within: 'web.service' }], root);
  assert.deepEqual(usage, [{ key, cpuNs: 1_500_000_000n, memoryBytes: 4_000 }]);
});

test('readUsage() reads version 1', async (t) => {
  const root = await makeMachine(t, {
    '/proc/42/cgroup': '5:cpuacct,cpu:/docker/abc\n4:memory:/docker/abc\n1:name=systemd:/docker/abc\n0::/\n',
    '/sys/fs/cgroup/cpuacct/docker/abc/cpuacct.usage': '777\n',
    '/sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes': '9000\n',
    '/sys/fs/cgroup/memory/docker/abc/memory.stat': 'total_inactive_file 500\n',
  });
  assert.deepEqual(await readUsage([{ key, pid: 42, within: 'abc' }], root), [
    { key, cpuNs: 777n, memoryBytes: 8_500 },
  ]);
});

test('readUsage() adds up the processes of a group where the machine accounts nothing', async (t) => {
  const stat = (name: string, ticks: number) => `7 (${name}) S ${'0 '.repeat(10)}${ticks} 1 0 0\n`;
  const root = await makeMachine(t, {
    '/proc/42/cgroup': '0::/system.slice/web.service\n',
    '/sys/fs/cgroup/system.slice/web.service/cgroup.procs': '42\n',
    '/sys/fs/cgroup/system.slice/web.service/below/cgroup.procs': '43\n',
    '/proc/42/statm': '100 10 5\n',
    '/proc/43/statm': '100 20 5\n',
    '/proc/42/stat': stat('a) b', 4),
    '/proc/43/stat': stat('c', 2),
  });
  const usage = await readUsage([{ key, pid: 42, within: 'web.service' }], root);
  assert.deepEqual(usage, [{ key, cpuNs: 80_000_000n, memoryBytes: 30 * 4_096 }]);
});

test('readUsage() leaves out what has no process, and what has just ended', async (t) => {
  const root = await makeMachine(t, {});
  assert.deepEqual(await readUsage([{ key }, { key, pid: 0 }, { key, pid: 42 }], root), []);
});

test('parseGroups() cuts a path after the part that is the instance', () => {
  const text = '3:memory:/a/docker-abc.scope/init.scope\n0::/x\nnonsense\n';
  assert.deepEqual(
    [...parseGroups(text, 'abc')],
    [
      ['memory', '/a/docker-abc.scope'],
      ['', '/x'],
    ],
  );
});
