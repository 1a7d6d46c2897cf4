import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { Cluster } from './scenario/cluster.ts';
import { sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/** Two TTLs, and longer than Docker is asked again after; a minute of it is among the local faults. */
const awayMs = 8_000;

interface Before {
  readonly identities: readonly string[];
  readonly placements: readonly string[];
}

async function begin(cluster: Cluster): Promise<Before> {
  await cluster.startAll({
    'each.service': sleeper([], ['[X-Muster]', 'Global=true']),
    'exact@.service': sleeper([], ['[X-Muster]', 'Replicas=3', 'Conflicts=exact@*.service', 'Disconnect=stop']),
    boxes: sleepingContainer('boxes', ['replicas: 3']),
  });
  return { identities: await cluster.identities(), placements: await cluster.placements() };
}

/** All healthy, nothing restarted or moved, and each node still takes and gives up work of both kinds. */
async function assertAllGoesOn(cluster: Cluster, before: Before): Promise<void> {
  await eventually('all healthy', 20_000, async () => {
    const short = (await cluster.workloads()).filter(({ summary }) => !summary.converged);
    if (short.length === 0) return true;
    throw new Error(JSON.stringify(short.map(({ name, summary }) => [name, summary.problems])));
  });
  assert.deepEqual(await cluster.identities(), before.identities, 'nothing was restarted');
  assert.deepEqual(await cluster.placements(), before.placements, 'nothing was moved');
  await cluster.applyAll({
    'news.service': sleeper([], ['[X-Muster]', 'Global=true']),
    news: sleepingContainer('news', ['global: true']),
  });
  await cluster.muster(['rm', 'news', 'news.service']);
  assert.deepEqual(await cluster.identities(), before.identities);
}

scenarios('daemons restart', (scenario) => {
  scenario(
    'dockerd restarted, or away for 8 s: containers run on, their status says why, units go on',
    async (cluster) => {
      const before = await begin(cluster);
      const node = cluster.lab.node('node2');
      const beganMs = performance.now();
      await node.run(['systemctl', 'stop', 'docker.socket', 'docker.service']);
      const others = cluster.others(node);
      await Promise.all(others.map(async (other) => other.run(['systemctl', 'restart', 'docker'])));
      const here = ['[X-Muster]', `MachineID=${node.machineId}`];
      const placement = [`placement: {machineId: "${node.machineId}"}`];
      await cluster.apply('meanwhile.service', sleeper([], here));
      await cluster.apply('waiting', sleepingContainer('waiting', placement), ['--no-wait']);
      await cluster.awaitRows('waiting', 'with a reason', 10_000, ([row]) => {
        return row?.phase === 'pending' && /Cannot (ask|reach) docker/i.test(row.reason ?? '');
      });
      await eventually('the time over', awayMs + 5_000, () => performance.now() - beganMs > awayMs, 250);
      const isNew = (line: string): boolean => /waiting|meanwhile/.test(line);
      assert.deepEqual(
        (await cluster.placements()).filter((line) => !isNew(line)),
        before.placements,
      );
      await node.run(['systemctl', 'start', 'docker']);
      await cluster.awaitRunning('waiting', 1, 20_000);
      await cluster.muster(['rm', 'waiting', 'meanwhile.service']);
      await assertAllGoesOn(cluster, before);
      const [victim] = (await cluster.runners([node])).filter(({ name }) => name.startsWith('muster-boxes'));
      await node.run(['docker', 'kill', victim?.name ?? '']);
      await cluster.awaitRows('boxes', 'restarted', 15_000, (rows) =>
        rows.some(({ restarts, phase }) => restarts === 1 && phase === 'running'),
      );
    },
  );

  scenario('systemd re-executed and the bus restarted: units run on, and are followed again', async (cluster) => {
    const before = await begin(cluster);
    await Promise.all(cluster.nodes.map(async (node) => node.run(['systemctl', 'daemon-reexec'])));
    await Promise.all(cluster.nodes.map(async (node) => node.run(['systemctl', 'restart', 'dbus'])));
    await assertAllGoesOn(cluster, before);
    const node = cluster.lab.node('node1');
    await node.run(['systemctl', 'kill', '--signal=KILL', 'each.service']);
    await cluster.awaitRows('each.service', 'one failed', 5_000, (rows) =>
      rows.some(({ phase }) => phase === 'failed'),
    );
  });
});
