import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

const afterMs = 5_000;
const folder = '/var/lib/muster';
const file = `${folder}/last-known-orders`;
const dropIn = '/etc/systemd/system/muster.service.d/50-offline-start.conf';

/** Of each kind one that may start without the store, and one that may not. */
async function applyFour(cluster: Cluster, node: LabNode): Promise<void> {
  const here = ['[X-Muster]', `MachineID=${node.machineId}`];
  const placement = `placement: {machineId: "${node.machineId}"}`;
  await cluster.applyAll({
    'early.service': sleeper([], [...here, 'OfflineStart=yes']),
    'late.service': sleeper([], here),
    early: sleepingContainer('early', [placement, 'offlineStart: true']),
    late: sleepingContainer('late', [placement]),
  });
  await eventually('the orders on disk', 10_000, async () => {
    const text = await node.readFile(file).catch(() => '');
    return text.includes('"early/0"') && text.includes('"early.service/0"');
  });
  const text = await node.readFile(file);
  assert.ok(!text.includes('late'), 'what may not start without the store is not there');
}

/** Switches the node off and on again while too few members of etcd are up to answer. */
async function rebootWithoutEtcd(cluster: Cluster, node: LabNode, meanwhile?: () => Promise<unknown>): Promise<void> {
  await node.writeFile(dropIn, `[Service]\nEnvironment=MUSTER_OFFLINE_START_AFTER=${afterMs}ms\n`);
  await Promise.all(cluster.nodes.map(async (each) => each.run(['systemctl', 'stop', 'etcd'])));
  await meanwhile?.();
  await node.powerOff();
  await node.boot();
}

async function bringEtcdBack(cluster: Cluster): Promise<void> {
  await Promise.all(cluster.nodes.map(async (each) => each.run(['systemctl', 'start', '--no-block', 'etcd'])));
  await cluster.lab.awaitEtcd(30_000);
  await Promise.all(cluster.nodes.map(async (each) => cluster.awaitJoined(each)));
}

async function awaitAllHealthy(cluster: Cluster): Promise<void> {
  await eventually('all as desired', 40_000, async () => {
    const short = (await cluster.workloads()).filter(({ summary }) => !summary.converged);
    if (short.length === 0) return true;
    throw new Error(JSON.stringify(short.map(({ name, summary }) => [name, summary.problems])));
  });
}

const activeOn = async (cluster: Cluster, node: LabNode) =>
  (await cluster.runners([node])).filter(({ active }) => active).map(({ name }) => name);

async function withNode(cluster: Cluster, run: (node: LabNode) => Promise<void>): Promise<void> {
  const node = cluster.lab.node('node3');
  try {
    await run(node);
  } finally {
    await node.run(['sh', '-c', `rm -f ${dropIn} ${folder}/*.corrupt-* && systemctl daemon-reload`], { reject: false });
  }
}

scenarios('offline start', (scenario) => {
  scenario(
    'rebooted without etcd: what may start starts, the others wait, and nothing is restarted',
    async (cluster) => {
      await withNode(cluster, async (node) => {
        await applyFour(cluster, node);
        await rebootWithoutEtcd(cluster, node);
        await eventually('both early ones', 30_000, async () => (await activeOn(cluster, node)).length >= 2);
        const early = ['early.service', 'muster-early.0'];
        assert.deepEqual(await activeOn(cluster, node), early);
        const started = await cluster.identities([node]);
        const [line = ''] = (await node.journal('muster.service', { boot: true })).match(/^.*offline start.*$/m) ?? [];
        assert.match(line, /early\/0/);
        const beganMs = performance.now();
        await eventually('some time without etcd', 20_000, () => performance.now() - beganMs > 10_000, 500);
        assert.deepEqual(await activeOn(cluster, node), early, 'nothing else has started');
        await bringEtcdBack(cluster);
        await awaitAllHealthy(cluster);
        // What the store says may still be from before the reboot.
        const now = await eventually('all four on the node', 20_000, async () => {
          const all = await cluster.identities([node]);
          return all.length === 4 ? all : undefined;
        });
        assert.deepEqual(
          now.filter((each) => each.includes('early')),
          started,
          'what had started was adopted',
        );
        assert.equal((await cluster.rows('early')).length, 1);
        await eventually('all four told to run', 10_000, async () => {
          const { stdout } = await cluster.muster(['ps']);
          if (stdout.match(/running/g)?.length === 4) return true;
          throw new Error(stdout);
        });
      });
    },
  );

  scenario('a damaged file is set aside and reported, and nothing starts before etcd is back', async (cluster) => {
    await withNode(cluster, async (node) => {
      await applyFour(cluster, node);
      await rebootWithoutEtcd(cluster, node, async () => {
        await node.run(['systemctl', 'stop', 'muster']);
        await node.run(['sh', '-c', `printf torn >>${file}; sync`]);
      });
      await eventually('set aside', 30_000, async () => {
        const { stdout } = await node.run(['ls', folder]);
        return /^last-known-orders\.corrupt-/m.test(stdout);
      });
      const beganMs = performance.now();
      await eventually('the time for a start over', 20_000, () => performance.now() - beganMs > 2 * afterMs, 500);
      assert.deepEqual(await activeOn(cluster, node), []);
      const journal = await node.journal('muster.service', { boot: true });
      assert.equal(journal.match(/state file not usable, set aside/g)?.length, 1);
      await bringEtcdBack(cluster);
      await awaitAllHealthy(cluster);
      await eventually('all four on the node', 20_000, async () => (await activeOn(cluster, node)).length === 4);
      await eventually('kept anew', 10_000, async () => {
        return (await node.readFile(file).catch(() => '')).includes('"early/0"');
      });
    });
  });
});
