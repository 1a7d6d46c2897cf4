import assert from 'node:assert/strict';
import type { LogEntry } from '../../src/wire/log-answers.ts';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { follow } from './scenario/follow.ts';
import { serveTls, serveTlsNoMore } from './scenario/serve-tls.ts';
import { containerYaml, sleeper } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

const writes = 'n=0; while sleep 0.1; do n=$((n+1)); echo line $n; done';
const writer = sleeper(['ExecStart=', `ExecStart=/bin/sh -c '${writes}'`, 'User=nobody', 'PrivateTmp=yes']);

const torrentLines = 200_000;
const patienceMs = 8_000;
/** Writes as fast as it can, once it's told to, and counts. */
const torrent = sleeper([
  'ExecStart=',
  `ExecStart=/bin/sh -c 'echo ready; while [ ! -e /run/torrent ]; do sleep 0.1; done; seq 1 ${torrentLines}; exec sleep infinity'`,
  'LogRateLimitIntervalSec=1s',
  'LogRateLimitBurst=1000000',
]);

/** Where an instance runs, and another node. */
async function placeOf(cluster: Cluster, name: string): Promise<{ on: LabNode; other: LabNode }> {
  const hostname = (await cluster.rows(name)).find(({ phase }) => phase === 'running')?.node?.hostname ?? '';
  const on = cluster.lab.node(hostname);
  const [other] = cluster.others(on);
  assert.ok(other);
  return { on, other };
}

async function agentMemoryKb(node: LabNode): Promise<number> {
  const pid = await node.mainPid('muster.service');
  const { stdout } = await node.run(['cat', `/proc/${pid}/status`]);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(stdout)?.[1]);
}

async function readersOf(node: LabNode): Promise<string> {
  return (await node.run(['pgrep', '-fa', 'journalctl'], { reject: false })).stdout;
}

function entriesOf(stdout: string): LogEntry[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogEntry);
}

async function seeLogs(cluster: Cluster): Promise<void> {
  const { on, other } = await placeOf(cluster, 'writer.service');
  const { stdout } = await cluster.muster(['logs', 'writer.service', '-n', '3', '--json'], { on: other });
  const entries = entriesOf(stdout);
  assert.ok(entries.length >= 3 && entries.every(({ kind, node }) => kind === 'line' && node === on.name), stdout);
  const askedMs = Date.now();
  const later = await cluster.muster(['logs', 'writer.service', '--since', '1s', '--json'], { on: other });
  const old = entriesOf(later.stdout).filter(({ at }) => Date.parse(at) < askedMs - 1_000);
  assert.deepEqual(old, [], 'only what is new');
  const merged = await cluster.muster(['logs', 'chatter', '-n', '20', '--json'], { on: other });
  const lines = entriesOf(merged.stdout);
  assert.deepEqual(new Set(lines.map(({ instance }) => instance)), new Set(['chatter.0', 'chatter.1', 'chatter.2']));
  assert.equal(new Set(lines.map(({ node }) => node)).size, 3);
  assert.deepEqual(
    lines.map(({ at }) => at),
    lines.map(({ at }) => at).toSorted(),
  );
}

async function seeCommands(cluster: Cluster): Promise<void> {
  const { other } = await placeOf(cluster, 'writer.service');
  const run = (args: readonly string[], input?: string) =>
    cluster.muster(['exec', ...args], { on: other, reject: false, ...(input === undefined ? {} : { input }) });
  const inUnit = await run(['writer.service', '--', 'sh', '-c', 'id -un; cat /proc/self/cgroup; exit 9']);
  assert.equal(inUnit.exitCode, 9, inUnit.stderr);
  assert.match(inUnit.stdout, /^nobody$/m);
  assert.match(inUnit.stdout, /muster-exec-\w+\.scope/);
  const inContainer = await run(['-i', 'chatter.1', '--', 'cat'], 'through two nodes');
  assert.deepEqual([inContainer.exitCode, inContainer.stdout], [0, 'through two nodes']);
  const unknown = await run(['chatter.1', '--', 'no-such-program']);
  assert.ok([126, 127].includes(unknown.exitCode ?? 0), unknown.stderr);
  const top = await cluster.musterJson<{ instances: { instance: string; memoryBytes?: number; cpuShare?: number }[] }>(
    ['top'],
    { on: other },
  );
  assert.equal(top.instances.length, 5);
  for (const { instance, memoryBytes = 0, cpuShare = -1 } of top.instances) {
    assert.ok(memoryBytes > 50_000 && cpuShare >= 0, `${instance}: ${memoryBytes} bytes, ${cpuShare}`);
  }
}

async function seeFollowing(cluster: Cluster): Promise<void> {
  const { on } = await placeOf(cluster, 'writer.service');
  const [far = on] = cluster.others(on);
  const following = follow(far, ['logs', '-f', 'writer.service', '--json']);
  const nodes = () =>
    new Set(
      following
        .stdout()
        .trimEnd()
        .split('\n')
        .filter((line) => line.endsWith('}'))
        .map((line) => (JSON.parse(line) as LogEntry).node),
    );
  await eventually('lines of the first node', 10_000, () => nodes().has(on.name));
  await cluster.muster(['node', 'drain', on.name], { on: far });
  const { on: next } = await placeOf(cluster, 'writer.service');
  await eventually('lines of the next node', 15_000, () => nodes().has(next.name));
  await cluster.muster(['node', 'uncordon', on.name], { on: far });
  await following.end();
  for (const node of cluster.nodes) {
    await eventually(`no reader left on ${node.name}`, 10_000, async () => {
      const left = await readersOf(node);
      if (!left.includes('writer.service')) return true;
      throw new Error(left);
    });
  }
}

/** Stops reading while far more lines are written than any buffer holds: the agents hold a bounded part, and the reader is told what it lost. */
async function seeSlowReader(cluster: Cluster): Promise<void> {
  const { on, other } = await placeOf(cluster, 'torrent.service');
  const before = await Promise.all([on, other].map(agentMemoryKb));
  const following = follow(other, ['logs', '-f', 'torrent.service', '--json']);
  await eventually('the first line', 10_000, () => following.stdout().includes('ready'));
  following.pause();
  await on.writeFile('/run/torrent', '');
  const pid = await on.mainPid('torrent.service');
  const writes = async () => (await on.readFile(`/proc/${pid}/comm`)).trim();
  await eventually('all lines to be written', 120_000, async () => (await writes()) === 'sleep', 500);
  // Only whoever is far behind loses anything: so long an agent waits for its reader.
  const writtenMs = performance.now();
  await eventually('the reader to be far behind', 20_000, () => performance.now() - writtenMs > patienceMs, 500);
  for (const [at, node] of [on, other].entries()) {
    const grown = (await agentMemoryKb(node)) - (before[at] ?? 0);
    assert.ok(grown < 60_000, `the agent of ${node.name} has grown by ${grown} kB`);
  }
  following.resume();
  await eventually('the last line', 30_000, async () => {
    if (following.stdout().includes(`"text":"${torrentLines}"`)) return true;
    const { stdout } = await on.run(['journalctl', '-u', 'torrent.service', '-n', '1', '-o', 'cat']);
    throw new Error(`journal: ${stdout}; got: ${following.stdout().slice(-300)} ${following.stderr()}`);
  });
  await following.end();
  const entries = entriesOf(following.stdout());
  const lines = entries.filter(({ kind, text }) => kind === 'line' && /^\d+$/.test(text));
  const lost = entries.reduce((sum, entry) => sum + (entry.kind === 'notice' ? (entry.lost ?? 0) : 0), 0);
  assert.ok(lost > 0, 'more was written than any buffer holds');
  assert.equal(lines.length + lost, torrentLines, `${lines.length} lines came, ${lost} were said to be lost`);
}

scenarios('instances are read from any node', (scenario) => {
  scenario('logs, commands and figures come through any node; a slow reader is told what it lost', async (cluster) => {
    try {
      await serveTls(cluster);
      const container = ['image: busybox:1', `command: [sh, -c, '${writes}']`, 'stopGrace: 1s'];
      await cluster.applyAll({
        'writer.service': writer,
        'torrent.service': torrent,
        chatter: containerYaml('chatter', container, ['replicas: 3']),
      });
      await seeLogs(cluster);
      await seeCommands(cluster);
      await seeFollowing(cluster);
      await seeSlowReader(cluster);
    } finally {
      await serveTlsNoMore(cluster);
    }
  });
});
