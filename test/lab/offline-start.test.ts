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

/** A machine's own work: of each kind one that may start without the store, and one that may not. */
function namesOn({ name }: LabNode) {
  return { early: `early-${name}`, late: `late-${name}` };
}

async function applyFour(cluster: Cluster, node: LabNode): Promise<void> {
  const { early, late } = namesOn(node);
  const here = ['[X-Muster]', `MachineID=${node.machineId}`];
  const placement = `placement: {machineId: "${node.machineId}"}`;
  await cluster.startAll({
    [`${early}.service`]: sleeper([], [...here, 'OfflineStart=yes']),
    [`${late}.service`]: sleeper([], here),
    [early]: sleepingContainer(early, [placement, 'offlineStart: true']),
    [late]: sleepingContainer(late, [placement]),
  });
  await eventually('the orders on disk', 10_000, async () => {
    const text = await node.readFile(file).catch(() => '');
    return text.includes(`"${early}/0"`) && text.includes(`"${early}.service/0"`);
  });
  const text = await node.readFile(file);
  assert.ok(!text.includes('late'), 'what may not start without the store is not there');
}

async function reboot(node: LabNode): Promise<void> {
  await node.powerOff();
  await node.boot();
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

/** What may start does, and nothing else; what identifies the runs. */
async function seeEarlyStart(cluster: Cluster, node: LabNode): Promise<readonly string[]> {
  const { early } = namesOn(node);
  const names = [`${early}.service`, `muster-${early}.0`];
  await eventually('both early ones', 30_000, async () => (await activeOn(cluster, node)).length >= 2);
  assert.deepEqual(await activeOn(cluster, node), names);
  const started = await cluster.identities([node]);
  const [line = ''] = (await node.journal('muster.service', { boot: true })).match(/^.*offline start.*$/m) ?? [];
  assert.match(line, new RegExp(`${early}/0`));
  await passTime();
  assert.deepEqual(await activeOn(cluster, node), names, 'nothing else has started');
  return started;
}

/** Nothing starts while the store is away, and that is said once. */
async function seeNoStart(cluster: Cluster, node: LabNode): Promise<void> {
  await eventually('set aside', 30_000, async () => {
    const { stdout } = await node.run(['ls', folder]);
    return /^last-known-orders\.corrupt-/m.test(stdout);
  });
  await passTime();
  assert.deepEqual(await activeOn(cluster, node), []);
  const journal = await node.journal('muster.service', { boot: true });
  assert.equal(journal.match(/state file not usable, set aside/g)?.length, 1);
}

/** Longer than it takes until something would start without the store. */
async function passTime(): Promise<void> {
  const beganMs = performance.now();
  await eventually('some time without etcd', 20_000, () => performance.now() - beganMs > 1.5 * afterMs, 250);
}

scenarios('offline start', (scenario) => {
  scenario(
    'rebooted without etcd what may start starts, the others wait, and nothing is restarted; with a damaged file nothing starts',
    async (cluster) => {
      const members = [...cluster.nodes];
      const node = cluster.lab.node('node3');
      // No member of etcd: with two of them back, etcd would be.
      const damaged = await cluster.lab.addNode();
      await cluster.awaitJoined(damaged);
      try {
        await Promise.all([node, damaged].map(async (each) => applyFour(cluster, each)));
        for (const each of [node, damaged])
          await each.writeFile(dropIn, `[Service]\nEnvironment=MUSTER_OFFLINE_START_AFTER=${afterMs}ms\n`);
        await Promise.all(members.map(async (each) => each.run(['systemctl', 'stop', 'etcd'])));
        await damaged.run(['systemctl', 'stop', 'muster']);
        await damaged.run(['sh', '-c', `printf torn >>${file}; sync`]);
        await Promise.all([node, damaged].map(reboot));
        const [started] = await Promise.all([seeEarlyStart(cluster, node), seeNoStart(cluster, damaged)]);

        await Promise.all(members.map(async (each) => each.run(['systemctl', 'start', '--no-block', 'etcd'])));
        await cluster.lab.awaitEtcd(30_000);
        await Promise.all(cluster.nodes.map(async (each) => cluster.awaitJoined(each)));
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
        assert.equal((await cluster.rows(namesOn(node).early)).length, 1);
        await eventually('all four on the other', 20_000, async () => (await activeOn(cluster, damaged)).length === 4);
        await eventually('kept anew', 10_000, async () => {
          return (await damaged.readFile(file).catch(() => '')).includes(`"${namesOn(damaged).early}/0"`);
        });
        await eventually('all told to run', 10_000, async () => {
          const { stdout } = await cluster.muster(['ps']);
          if (stdout.match(/running/g)?.length === 8) return true;
          throw new Error(stdout);
        });
      } finally {
        const clear = `rm -f ${dropIn} ${folder}/*.corrupt-* && systemctl daemon-reload`;
        if (node.isOn) await node.run(['sh', '-c', clear], { reject: false });
      }
    },
  );
});
