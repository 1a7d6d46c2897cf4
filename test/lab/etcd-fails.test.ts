import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

const outageMs = 60_000;

interface Before {
  readonly identities: readonly string[];
  readonly placements: readonly string[];
  readonly leases: readonly string[];
}

const lasting = {
  'each.service': sleeper([], ['[X-Muster]', 'Global=true']),
  boxes: sleepingContainer('boxes', ['replicas: 3']),
};
const strict = {
  'exact@.service': sleeper([], ['[X-Muster]', 'Replicas=3', 'Conflicts=exact@*.service', 'Disconnect=stop']),
};

async function look(cluster: Cluster): Promise<Before> {
  return {
    identities: await cluster.identities(),
    placements: await cluster.placements(),
    leases: await leases(cluster),
  };
}

async function leases({ store, root }: Cluster): Promise<string[]> {
  const keys = (await store.list(`${root}nodes/`)).filter(({ key }) => key.endsWith('/presence'));
  return keys.map(({ key, lease, createRevision }) => `${key}: ${lease} since ${createRevision}`);
}

async function assertUndisturbed(cluster: Cluster, before: Before): Promise<void> {
  assert.deepEqual(await cluster.identities(), before.identities, 'nothing was restarted');
  assert.deepEqual(await cluster.placements(), before.placements, 'nothing was moved');
}

async function etcdLeader(cluster: Cluster): Promise<LabNode> {
  const endpoint = await cluster.store.leaderEndpoint();
  const node = cluster.nodes.find(({ address }) => endpoint.includes(`${address}:`));
  if (node === undefined) throw new Error(`no node has ${endpoint}`);
  return node;
}

async function killMember(cluster: Cluster, node: LabNode): Promise<void> {
  const before = await leases(cluster);
  await node.killProcess('etcd');
  const here = ['[X-Muster]', `MachineID=${node.machineId}`];
  await cluster.apply('during.service', sleeper([], here), ['--no-wait']);
  await cluster.awaitRunning('during.service', 1);
  await cluster.muster(['rm', 'during.service']);
  await cluster.lab.awaitEtcd();
  assert.deepEqual(await leases(cluster), before, 'no lease was lost');
}

async function awaitAllHealthy(cluster: Cluster): Promise<void> {
  await eventually('all healthy', 30_000, async () => {
    const short = (await cluster.workloads()).filter(({ summary }) => !summary.converged);
    if (short.length === 0) return true;
    throw new Error(JSON.stringify(short.map(({ name, summary }) => [name, summary.problems])));
  });
}

scenarios('etcd fails', (scenario) => {
  scenario('a member that is killed costs no lease and disturbs nothing', async (cluster) => {
    const leader = await etcdLeader(cluster);
    const [follower] = cluster.others(leader);
    if (follower === undefined) throw new Error('three members');
    await cluster.startAll({ ...lasting, ...strict });
    const before = await look(cluster);
    await killMember(cluster, follower);
    await assertUndisturbed(cluster, before);
    // With the lab's short TTL an election of etcd may take longer than "stop" instances wait.
    await cluster.muster(['rm', ...Object.keys(strict)]);
    const lastingOnly = await look(cluster);
    await killMember(cluster, leader);
    await assertUndisturbed(cluster, lastingOnly);
  });

  scenario("etcd's leader frozen for 10 s costs no lease and disturbs nothing; work goes on", async (cluster) => {
    await cluster.startAll(lasting);
    const before = await look(cluster);
    const node = await etcdLeader(cluster);
    await node.freezeProcess('etcd');
    const frozenMs = performance.now();
    await cluster.apply('during.service', sleeper(), ['--no-wait'], { on: cluster.others(node)[0] ?? node });
    await cluster.awaitRunning('during.service', 1, 15_000);
    await eventually('10 s over', 15_000, () => performance.now() - frozenMs > 10_000, 250);
    assert.deepEqual(await leases(cluster), before.leases, 'no lease was lost');
    await node.thawProcess('etcd');
    await cluster.muster(['rm', 'during.service']);
    await cluster.lab.awaitEtcd(15_000);
    await awaitAllHealthy(cluster);
    await assertUndisturbed(cluster, before);
  });

  scenario('etcd out of space loses no lease, moves nothing, keeps its leader, and is said to be', async (cluster) => {
    await cluster.applyAll(lasting);
    const before = await look(cluster);
    const terms = async () =>
      (await cluster.store.list(`${cluster.root}election/`)).map(({ key, value }) => key + value);
    const candidates = await terms();
    const since = `@${Math.floor(Date.now() / 1000)}`;
    await cluster.store.setFull(true);
    try {
      const victim = (await cluster.runners()).find(({ name }) => name === 'muster-boxes.0');
      const node = cluster.lab.node(victim?.node ?? '');
      await node.run(['docker', 'kill', 'muster-boxes.0']);
      await eventually('the killed container restarted', 10_000, async () => {
        const now = (await cluster.runners([node])).find(({ name }) => name === 'muster-boxes.0');
        return now?.active === true && now.pid !== victim?.pid;
      });
      await eventually('the node says so', 10_000, async () => {
        const { stdout } = await cluster.muster(['status'], { on: node, reject: false });
        return /full since .*out of space/.test(stdout);
      });
      const refused = await cluster.muster(['apply', '--name', 'during.service', '-'], {
        input: sleeper(),
        reject: false,
      });
      assert.equal(refused.exitCode, 1);
      assert.match(refused.stderr, /database space exceeded/);
      const untilMs = performance.now() + 2 * cluster.ttlMs;
      await eventually('two TTLs over', 60_000, () => performance.now() >= untilMs, 250);
      assert.deepEqual(await leases(cluster), before.leases, 'no lease was lost');
      assert.deepEqual(await terms(), candidates, 'nobody else leads');
      assert.deepEqual(await cluster.placements(), before.placements, 'nothing was moved');
      const journal = await node.journal('muster', { output: 'cat', since });
      const said = journal.split('\n').filter((line) => line.includes('store is not well') && line.includes('full'));
      assert.ok(said.length >= 1 && said.length <= 2, `said once or twice: ${said.join('\n')}`);
    } finally {
      await cluster.store.setFull(false);
    }
    await cluster.apply('during.service', sleeper());
    await awaitAllHealthy(cluster);
    await eventually('all well', 10_000, async () => !/full since/.test((await cluster.muster(['status'])).stdout));
    const isKept = (line: string): boolean => !/^(muster-boxes\.0|during\.service) /.test(line);
    assert.deepEqual(
      (await cluster.identities()).filter(isKept),
      before.identities.filter(isKept),
      'nothing was restarted',
    );
  });

  scenario(
    'all of etcd away for 60 s: keep runs on, what ends is restarted, stop ends in time, nothing moves',
    async (cluster) => {
      await cluster.startAll({ ...lasting, ...strict });
      const before = await look(cluster);
      const isStrict = (line: string): boolean => line.startsWith('exact@');
      const kept = before.identities.filter((line) => !isStrict(line));
      const beganMs = performance.now();
      await Promise.all(cluster.nodes.map(async (node) => node.run(['systemctl', 'stop', 'etcd'])));
      const beganAtMs = Date.now();
      const ended = await eventually('stop instances ended', 2 * cluster.ttlMs, async () => {
        const found = (await cluster.runners()).filter(({ name }) => name.startsWith('exact@'));
        return found.every(({ active }) => !active) && found;
      });
      for (const { name, endedAtMs } of ended)
        assert.ok(endedAtMs - beganAtMs < cluster.ttlMs, `${name} ended ${endedAtMs - beganAtMs} ms into the outage`);

      const victim = (await cluster.runners()).find(({ name }) => name === 'muster-boxes.0');
      const node = cluster.lab.node(victim?.node ?? '');
      await node.run(['docker', 'kill', 'muster-boxes.0']);
      await eventually('the killed container restarted', 10_000, async () => {
        const now = (await cluster.runners([node])).find(({ name }) => name === 'muster-boxes.0');
        return now?.active === true && now.pid !== victim?.pid;
      });
      for (const each of cluster.nodes) {
        await cluster.awaitState(
          each,
          'says that etcd does not answer',
          2 * cluster.ttlMs,
          ({ joined, leader, status }) => {
            return !joined && !leader && status.includes('etcd');
          },
        );
      }
      const listed = await cluster.muster(['ls'], { reject: false });
      assert.equal(listed.exitCode, 1);
      await eventually('the outage over', outageMs, () => performance.now() - beganMs >= outageMs, 500);
      const isKept = (line: string): boolean => !isStrict(line) && !line.startsWith('muster-boxes.0');
      assert.deepEqual((await cluster.identities()).filter(isKept), kept.filter(isKept), 'nothing was disturbed');

      await Promise.all(cluster.nodes.map(async (each) => each.run(['systemctl', 'start', 'etcd'])));
      await cluster.lab.awaitEtcd();
      await Promise.all(cluster.nodes.map(async (each) => cluster.awaitJoined(each)));
      await awaitAllHealthy(cluster);
      assert.deepEqual((await cluster.identities()).filter(isKept), kept.filter(isKept), 'nothing was restarted');
      assert.deepEqual(await cluster.placements(), before.placements, 'nothing was moved');
    },
  );
});
