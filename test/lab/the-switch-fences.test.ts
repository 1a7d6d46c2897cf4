import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { identities, type Runner } from './scenario/machine-truth.ts';
import { placeOn, walled } from './scenario/place-on.ts';
import { containerYaml, sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/** What dies only by SIGKILL: an orderly stop would take it ten seconds. */
const deaf = `trap '' TERM; while :; do sleep 1; done`;
const names = ['keeps', 'keeps.service', 'stops', 'stops.service'] as const;

/** A unit and a container of either mode, on one node that nothing binds them to. */
async function begin(cluster: Cluster, node: LabNode): Promise<Runner[]> {
  await cluster.keepEtcdLeadOff(node);
  const section = ['[X-Muster]', `Conflicts=${walled}`];
  const placement = `placement: {conflicts: ["${walled}"]}`;
  const lines = ['image: busybox:1', `command: [sh, -c, "${deaf}"]`, 'stopGrace: 10s'];
  await placeOn(cluster, node, {
    'keeps.service': sleeper([], section),
    'stops.service': sleeper([], [...section, 'Disconnect=stop']),
    keeps: sleepingContainer('keeps', [placement]),
    stops: containerYaml('stops', lines, [placement, 'disconnect: {mode: stop}']),
  });
  const here = (await cluster.runners([node])).filter(({ active }) => active);
  assert.deepEqual(here.map(({ name }) => name.replace(/^muster-|\.0$/g, '')).sort(), [...names].sort());
  return here;
}

const isStop = ({ name }: Runner): boolean => name.includes('stops');

function isAlive(node: LabNode, { pid }: Runner): Promise<boolean> {
  return node.run(['test', '-d', `/proc/${pid}`], { reject: false }).then(({ exitCode }) => exitCode === 0);
}

/** Waits until no process of the `stop` ones is left, past dockerd and the agent; when that was. */
async function awaitDead(cluster: Cluster, node: LabNode, here: readonly Runner[]): Promise<number> {
  await eventually('the stop instances dead', 2 * cluster.ttlMs, async () => {
    const alive = await Promise.all(here.filter(isStop).map((each) => isAlive(node, each)));
    return !alive.includes(true);
  });
  return Date.now();
}

/** Their replacements run on other nodes; when the first of them began. */
async function awaitReplaced(cluster: Cluster, node: LabNode): Promise<number> {
  return eventually('the stop instances elsewhere', 6 * cluster.ttlMs, async () => {
    const now = (await cluster.runners(cluster.others(node))).filter((each) => each.active && isStop(each));
    if (now.length === 2) return Math.min(...now.map(({ startedAtMs }) => startedAtMs));
    throw new Error(JSON.stringify(now));
  });
}

/** The `stop` ones are dead before others begin, the `keep` ones are as they were. */
async function assertFenced(cluster: Cluster, node: LabNode, here: readonly Runner[], sinceMs: number): Promise<void> {
  const deadAtMs = await awaitDead(cluster, node, here);
  const beganAtMs = await awaitReplaced(cluster, node);
  process.stdout.write(
    `# dead ${deadAtMs - sinceMs} ms after the fault, begun elsewhere ${beganAtMs - deadAtMs} ms later\n`,
  );
  assert.ok(deadAtMs < beganAtMs, `they ended ${deadAtMs - beganAtMs} ms after others began`);
  for (const each of here.filter((one) => !isStop(one))) assert.ok(await isAlive(node, each), `${each.name} was ended`);
}

/** In the end there is one copy of each. */
async function awaitSettled(cluster: Cluster): Promise<void> {
  await eventually('one copy of each', 30_000, async () => {
    const rows = await cluster.rows();
    return rows.length === 4 && rows.every(({ role, phase }) => role === 'current' && phase === 'running');
  });
}

async function follower(cluster: Cluster): Promise<LabNode> {
  const [node] = cluster.others(await cluster.leader());
  if (node === undefined) throw new Error('three nodes');
  return node;
}

/** The agent ends and can't come back until this is undone. */
async function killForGood(node: LabNode): Promise<() => Promise<unknown>> {
  await node.run(['mv', '/usr/local/bin/muster', '/usr/local/bin/muster.aside']);
  await node.killProcess('muster.service');
  return async () => node.run(['mv', '/usr/local/bin/muster.aside', '/usr/local/bin/muster']);
}

/** A container that was made to run below the slice, and has not been started. */
async function makeIdle(node: LabNode, parent: string): Promise<void> {
  const shared = ['--volume=/run/queued:/out', '--network=none'];
  const script = 'while :; do date >>/out/ran; sleep 0.1; done';
  const create = ['docker', 'create', '--name=queued', `--cgroup-parent=${parent}`, ...shared, 'busybox:1'];
  await node.run(['docker', 'pull', '--quiet', 'busybox:1']);
  await node.run([...create, 'sh', '-c', script]);
}

const ran = async (node: LabNode): Promise<string> =>
  (await node.run(['sh', '-c', 'cat /run/queued/ran 2>/dev/null | wc -l'])).stdout.trim();

/** With dockerd hung, and a start in its queue. */
async function fenceWithHungDocker(cluster: Cluster, node: LabNode, parent: string): Promise<void> {
  const here = await begin(cluster, node);
  await makeIdle(node, parent);
  await node.freezeProcess('docker.service');
  await node.run(['sh', '-c', 'setsid --fork docker start queued >/dev/null 2>&1']);
  const sinceMs = Date.now();
  await node.freezeProcess('muster.service');
  await assertFenced(cluster, node, here, sinceMs);
  assert.equal(await ran(node), '0');
  await node.thawProcess('docker.service');
}

/** Killed before or after it has executed its program: dockerd has it as ended with an error, whenever one looks. */
async function awaitStartFailed(node: LabNode): Promise<void> {
  const format = '--format={{.State.Status}} {{.State.ExitCode}}';
  await eventually('the queued start over', 10_000, async () => {
    const { stdout } = await node.run(['docker', 'inspect', format, 'queued']);
    if (/^(exited|created) [1-9]/.test(stdout)) return true;
    throw new Error(stdout);
  });
}

scenarios('the switch fences', (scenario) => {
  scenario(
    'an agent that is frozen for longer than the TTL: stop has ended before it begins elsewhere',
    async (cluster) => {
      const node = await follower(cluster);
      const here = await begin(cluster, node);
      const sinceMs = Date.now();
      await node.freezeProcess('muster.service');
      await assertFenced(cluster, node, here, sinceMs);
      await node.thawProcess('muster.service');
      await cluster.awaitJoined(node);
      await awaitSettled(cluster);
      await assertTakesWork(cluster, node);
    },
  );

  scenario('an agent that is killed and kept down: the same; back, it takes stop instances again', async (cluster) => {
    const node = await follower(cluster);
    const here = await begin(cluster, node);
    const sinceMs = Date.now();
    const undo = await killForGood(node);
    await assertFenced(cluster, node, here, sinceMs);
    await undo();
    await cluster.awaitJoined(node);
    await awaitSettled(cluster);
    await assertTakesWork(cluster, node);
  });

  scenario('an agent that is stopped and started: nothing is disturbed', async (cluster) => {
    const node = await follower(cluster);
    const here = identities(await begin(cluster, node));
    await node.run(['systemctl', 'stop', 'muster.service']);
    await waitFor(cluster.ttlMs * 1.5);
    assert.deepEqual(await cluster.identities([node]), here);
    await node.run(['systemctl', 'start', 'muster.service']);
    await cluster.awaitJoined(node);
    assert.deepEqual(await cluster.identities([node]), here);
  });

  scenario(
    'dockerd hangs with a start in its queue, and so does the agent: containers end, the start runs nothing',
    async (cluster) => {
      const node = await follower(cluster);
      await fenceWithHungDocker(cluster, node, 'muster-stop.slice');
      await awaitStartFailed(node);
      await waitFor(2_000);
      assert.equal(await ran(node), '0');
      await node.thawProcess('muster.service');
      await cluster.awaitJoined(node);
      await awaitSettled(cluster);
      await assertTakesWork(cluster, node);
      assert.equal(await ran(node), '0');
      await node.run(['docker', 'rm', '--force', 'queued']);
    },
  );

  scenario('version 1 of control groups: a start from the queue of a hung dockerd is killed again', async (cluster) => {
    const node = await cluster.lab.addNode({ limits: true });
    await cluster.awaitJoined(node);
    await fenceWithHungDocker(cluster, node, '/muster.slice/muster-stop.slice');
    await awaitStartFailed(node);
    assert.ok(Number(await ran(node)) < 50, `it ran ${await ran(node)} times`);
    await node.thawProcess('muster.service');
    await cluster.awaitJoined(node);
    await awaitSettled(cluster);
  });
});

/** A node that has fenced opens again for what it's ordered to run now. */
async function assertTakesWork(cluster: Cluster, node: LabNode): Promise<void> {
  // It was lost so often here that new work is kept off it for a while.
  await cluster.store.deletePrefix(`${cluster.root}nodes/${(await cluster.nodeRow(node)).id}/verdict`);
  const policies = [`placement: {machineId: "${node.machineId}"}`, 'disconnect: {mode: stop}'];
  await cluster.startAll({
    'again.service': sleeper([], ['[X-Muster]', `MachineID=${node.machineId}`, 'Disconnect=stop']),
    again: sleepingContainer('again', policies),
  });
  await cluster.muster(['rm', 'again', 'again.service']);
}

async function waitFor(ms: number): Promise<void> {
  const sinceMs = performance.now();
  await eventually(`${ms} ms over`, 2 * ms, () => performance.now() - sinceMs > ms, 250);
}
