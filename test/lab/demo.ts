// The main job: boots three nodes, gives them work, takes the leader's power away, and shows that everything runs again.
// Usage: node test/lab/demo.ts [--once]; with --once it ends by itself, with 0 only if each step really held.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { Lab } from './lab.ts';
import type { LabNode } from './lab-node.ts';

const examples = join(import.meta.dirname, '../../units/examples');
const ttlMs = 10_000;
const webPort = 8080;

interface Row {
  readonly display: string;
  readonly workload: string;
  readonly phase: string;
  readonly healthy: boolean;
  readonly role?: string;
  readonly reason?: string;
  readonly node?: { readonly hostname: string };
}

const startedMs = performance.now();
const say = (text: string) =>
  process.stdout.write(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)} s  ${text}\n`);
const show = (text: string) => process.stdout.write(`${text.trimEnd().replace(/^/gm, '          ')}\n\n`);
const title = (text: string) => process.stdout.write(`\n== ${text}\n`);

async function muster(node: LabNode, ...argv: string[]): Promise<string> {
  const { stdout } = await node.run(['/usr/local/bin/muster', ...argv], { timeoutMs: 180_000 });
  return stdout;
}

async function read<T>(node: LabNode, ...argv: string[]): Promise<T> {
  return JSON.parse(await muster(node, ...argv, '--json')) as T;
}

const rowsOf = async (node: LabNode): Promise<readonly Row[]> =>
  (await read<{ rows: readonly Row[] }>(node, 'ps')).rows;

async function leaderOf(lab: Lab, asked: LabNode): Promise<LabNode | undefined> {
  const { nodes } = await read<{ nodes: readonly { hostname: string; leader: boolean }[] }>(asked, 'node', 'ls');
  const leader = nodes.find((node) => node.leader);
  return leader && lab.node(leader.hostname);
}

/** Every wanted copy runs and is healthy; `waiting` are allowed to wait for their node. */
async function everythingRuns(node: LabNode, waiting: readonly string[] = []): Promise<readonly Row[]> {
  const rows = await rowsOf(node);
  const wanted = rows.filter((row) => row.role !== 'superseded' && row.role !== 'orphan' && row.phase !== 'lost');
  const short = wanted.filter((row) => !row.healthy && !waiting.includes(row.workload));
  if (wanted.length === 0 || short.length > 0) {
    throw new Error(short.map((row) => `${row.display} is ${row.phase}: ${row.reason ?? ''}`).join('; '));
  }
  return rows;
}

async function boot(): Promise<Lab> {
  title('Three VMs boot; cloud-init configures and starts the agent on each');
  const lab = await Lab.open({ nodes: 3, ttlMs, clusterId: 'demo', progress: say });
  process.once('SIGINT', () => void closeAndExit(lab, 130));
  process.once('SIGTERM', () => void closeAndExit(lab, 143));
  return lab;
}

async function closeAndExit(lab: Lab, code: number): Promise<void> {
  say('cleaning up ...');
  await lab.close();
  process.exit(code);
}

async function join3(lab: Lab): Promise<LabNode> {
  title('They join through etcd, and elect a leader');
  const [first] = lab.nodes;
  if (first === undefined) throw new Error('Cannot show a cluster: expected three nodes');
  await Promise.all(
    lab.nodes.map(async (node) => {
      await muster(node, 'wait', '--joined', '--timeout', '60s');
      say(`${node.name} has joined`);
    }),
  );
  const leader = await eventually('a leader', 20_000, async () => leaderOf(lab, first));
  say(`${leader.name} leads`);
  show(await muster(first, 'node', 'ls'));
  return first;
}

async function apply(node: LabNode): Promise<void> {
  title('units/examples is applied: units, a template, a global unit, nginx and redis containers');
  const files = (await readdir(examples)).sort();
  for (const file of files)
    await node.writeFile(`/root/examples/${file}`, await readFile(join(examples, file), 'utf8'));
  say(`muster apply ${files.join(' ')}`);
  show(await muster(node, 'apply', ...files.map((file) => `/root/examples/${file}`), '--timeout', '120s'));
  const rows = await everythingRuns(node);
  const workers = rows.filter((row) => row.workload === 'worker@.service').map((row) => row.node?.hostname);
  if (new Set(workers).size !== 3)
    throw new Error(`Cannot show the template: expected its instances on three nodes, got ${workers.join(', ')}`);
  say('everything runs; the three workers are on three nodes');
  show(await muster(node, 'ps'));
}

async function fetchPages(lab: Lab): Promise<void> {
  title('nginx answers on the published port of each node');
  for (const node of lab.nodes.filter(({ isOn }) => isOn)) {
    const page = await eventually(`a page from ${node.name}`, 15_000, async () => {
      const response = await fetch(`http://${node.address}:${webPort}/`, { signal: AbortSignal.timeout(2_000) });
      return response.ok ? await response.text() : undefined;
    });
    say(
      `http://${node.address}:${webPort}/ on ${node.name}: ${page
        .replace(/<[^>]*>/g, ' ')
        .replace(/\s+/g, ' ')
        .trim()
        .slice(0, 100)}`,
    );
  }
}

/** Restarting its agent makes a leader resign; what runs there is adopted. Until the node of hello.service leads. */
async function leadFrom(lab: Lab, home: LabNode): Promise<void> {
  title(`The agent of each leader is restarted, until ${home.name} leads: nothing that runs is disturbed`);
  const pidOf = async () => home.mainPid('hello.service');
  const pid = await pidOf();
  for (let leader = await leaderOf(lab, home); leader !== home; ) {
    const before = leader;
    if (before === undefined) throw new Error('Cannot find the leader');
    const restartedMs = performance.now();
    await before.run(['systemctl', 'restart', 'muster']);
    leader = await eventually('the next leader', ttlMs * 3, async () => {
      const now = await leaderOf(lab, home);
      return now === before ? undefined : now;
    });
    say(
      `${leader.name} leads, ${((performance.now() - restartedMs) / 1000).toFixed(1)} s after the agent of ${before.name} was told to restart`,
    );
  }
  if ((await pidOf()) !== pid)
    throw new Error('Cannot show that nothing is disturbed: expected hello.service to run on');
}

/** What is tied to its node (redis), or fills every node (web, worker, node-stat), waits; hello.service moves. */
async function powerOffLeader(lab: Lab): Promise<void> {
  const [anyone] = lab.nodes;
  if (anyone === undefined) throw new Error('Cannot find a node');
  const home = lab.node((await rowsOf(anyone)).find((row) => row.workload === 'hello.service')?.node?.hostname ?? '');
  await leadFrom(lab, home);
  title('The leader loses its power');
  const survivor = lab.nodes.find((node) => node !== home) ?? home;
  const ran = (await rowsOf(survivor)).filter((row) => row.node?.hostname === home.name);
  const offMs = performance.now();
  const since = () => ((performance.now() - offMs) / 1000).toFixed(1);
  await home.powerOff();
  say(`${home.name} is off; it ran ${ran.map((row) => row.display).join(', ')}`);
  const next = await eventually('another leader', ttlMs * 3, async () => {
    const found = await leaderOf(lab, survivor);
    return found === home ? undefined : found;
  });
  say(`${next.name} leads, ${since()} s after the power was off`);
  const moved = await eventually('hello.service running elsewhere', ttlMs * 3, async () => {
    const rows = await rowsOf(survivor);
    return rows.find(
      (row) => row.display === 'hello.service' && row.phase === 'running' && row.node?.hostname !== home.name,
    );
  });
  say(`hello.service runs on ${moved.node?.hostname}, ${since()} s after the power was off (TTL ${ttlMs / 1000} s)`);
  show(await muster(survivor, 'ps'));
  say(`${home.name} gets its power back`);
  await home.boot();
  await muster(home, 'wait', '--joined', '--timeout', '60s');
  await eventually('everything running again', 120_000, async () => everythingRuns(survivor), 200);
  say(`everything runs again, ${since()} s after the power was off`);
  show(await muster(survivor, 'ps'));
}

async function stickyWaits(lab: Lab): Promise<void> {
  title('redis keeps its data in a volume: it waits for its node, and says so');
  const [anyone] = lab.nodes;
  if (anyone === undefined) throw new Error('Cannot find a node');
  const home = lab.node((await rowsOf(anyone)).find((row) => row.workload === 'redis')?.node?.hostname ?? '');
  const survivor = lab.nodes.find((node) => node !== home) ?? home;
  const redis = ['docker', 'exec', 'muster-redis.0', 'redis-cli'];
  await home.run([...redis, 'set', 'greeting', 'kept']);
  await home.powerOff();
  say(`${home.name}, on which redis runs, is off`);
  const reason = await eventually(
    'redis waiting for its node',
    ttlMs * 3,
    async () => {
      const { stdout } = await survivor.run(['/usr/local/bin/muster', 'explain', 'redis']);
      return stdout.includes(home.name) && /volume|data/i.test(stdout) ? stdout : undefined;
    },
    200,
  );
  show(reason);
  await home.boot();
  await eventually(
    'redis with its data',
    60_000,
    async () => (await home.run([...redis, 'get', 'greeting'], { reject: false })).stdout.includes('kept'),
    200,
  );
  say(`${home.name} is back, and redis with it: its data is there`);
  await eventually('everything running', 60_000, async () => everythingRuns(survivor), 200);
}

const isOnce = process.argv.includes('--once');
const lab = await boot();
try {
  const first = await join3(lab);
  await apply(first);
  await fetchPages(lab);
  await powerOffLeader(lab);
  await stickyWaits(lab);
  await fetchPages(lab);
} catch (error) {
  say(`FAILED: ${error instanceof Error ? error.message : String(error)}`);
  if (isOnce || process.exitCode === undefined) process.exitCode = 1;
  await lab.close();
  process.exit(1);
}
if (isOnce) {
  title('Every step held');
  await lab.close();
  say('cleaned up');
} else {
  title('The cluster is up. Ctrl-C ends it and removes every trace');
  for (const node of lab.nodes)
    process.stdout.write(`  a shell on ${node.name}:  nsenter -t ${node.leaderPid} -m -u -i -n -p -C -r -w bash -l\n`);
  process.stdout.write('  then try:  muster ps, muster node ls, muster explain redis, muster logs hello.service\n');
  await new Promise(() => setInterval(() => undefined, 60_000));
}
