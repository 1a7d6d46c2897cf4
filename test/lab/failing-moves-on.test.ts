import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { homeOf, readRecord } from './scenario/history.ts';
import { walled } from './scenario/place-on.ts';
import { containerYaml, sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/** A scenario's work fails on a node that has its file. */
const bad = '/var/tmp/no-good';
const badAnywhere = `${bad}-anywhere`;
const badAtHome = `${bad}-at-home`;
/** Keeps the work off the node that it runs on, for as long as it's there. */
const wall = 'wall-good.service';
const quick = 'reschedule: {afterRestarts: 1, delay: 2s, maxDelay: 4s}';

const unit = (service: readonly string[], options: readonly string[]) =>
  [
    '[Service]',
    `ExecStartPre=/usr/bin/test ! -e ${bad}`,
    'ExecStart=/bin/sleep infinity',
    ...service,
    '[X-Muster]',
    'RescheduleDelay=2s',
    'RescheduleMaxDelay=4s',
    `Conflicts=${walled}`,
    ...options,
    '',
  ].join('\n');

/** A container that fails where the file is. */
const box = (name: string, file: string, workload: readonly string[]) =>
  containerYaml(
    name,
    [
      'image: busybox:1',
      `command: ["sh", "-c", "test ! -e ${file} && exec sleep infinity"]`,
      'mounts: ["/var/tmp:/var/tmp"]',
      'stopSignal: SIGKILL',
    ],
    workload,
  );

const texts = {
  // systemd itself restarts it, and gives up.
  'keeps.service': unit(['Restart=on-failure', 'RestartSec=100ms'], []),
  // The agent restarts these.
  'stops.service': unit([], ['Disconnect=stop', 'RescheduleAfter=1']),
  box: box('box', bad, [quick, `placement: {conflicts: ["${walled}"]}`]),
};

async function mark(nodes: readonly LabNode[], file: string): Promise<void> {
  await Promise.all(nodes.map(async (node) => node.run(['touch', file])));
}

async function unmark(nodes: readonly LabNode[], file: string): Promise<void> {
  await Promise.all(nodes.map(async (node) => node.run(['rm', '-f', file])));
}

/** How many orders to run an instance has at this moment. */
async function countOrders(cluster: Cluster, workload: string): Promise<number> {
  const orders = await cluster.store.list(`${cluster.root}assignments/`);
  const mine = orders.filter(({ key }) => key.endsWith(`/${workload}/0`));
  return mine.filter(({ value }) => (JSON.parse(value) as { order: string }).order === 'run').length;
}

scenarios('what keeps failing', (_, sideBySide) => {
  sideBySide((scenario) => {
    scenario('on two nodes goes on to the third, and its history says why', async (cluster) => {
      const [good] = cluster.others(await cluster.leader());
      if (good === undefined) throw new Error('three nodes');
      try {
        await mark(cluster.others(good), bad);
        await cluster.apply(wall, sleeper([], ['[X-Muster]', `MachineID=${good.machineId}`]));
        await Promise.all(Object.entries(texts).map(async ([name, text]) => cluster.apply(name, text, ['--no-wait'])));
        for (const name of Object.keys(texts)) {
          await eventually(`${name} fails on two nodes`, 60_000, async () => {
            return ((await readRecord(cluster, `${name}/0`)).failing?.moves ?? 0) >= 1;
          });
        }
        await cluster.muster(['rm', wall]);
        for (const name of Object.keys(texts)) {
          await eventually(`${name} on ${good.name}`, 60_000, async () => (await homeOf(cluster, name)) === good.name);
          const reasons = (await readRecord(cluster, `${name}/0`)).moves.map(({ reason }) => reason);
          process.stdout.write(`# ${name}: ${reasons.join('; ')}\n`);
          assert.ok(
            reasons.slice(1).every((reason) => /^keeps failing on node\d/.test(reason)),
            reasons.join(),
          );
        }
      } finally {
        await unmark(cluster.nodes, bad);
      }
    });

    scenario(
      'everywhere moves ever more rarely, one copy at a time, and is well as soon as it is mended',
      async (cluster) => {
        try {
          await mark(cluster.nodes, badAnywhere);
          await cluster.apply('nomad', box('nomad', badAnywhere, [quick.replace('maxDelay: 4s', 'maxDelay: 1h')]), [
            '--no-wait',
          ]);
          const beganMs = Date.now();
          let most = 0;
          await eventually('three moves', 60_000, async () => {
            most = Math.max(most, await countOrders(cluster, 'nomad'));
            return ((await readRecord(cluster, 'nomad/0')).failing?.moves ?? 0) >= 3;
          });
          assert.equal(most, 1, 'one copy at a time');
          const atMs = (await readRecord(cluster, 'nomad/0')).moves.slice(-3).map(({ at }) => Date.parse(at));
          const apart = atMs.slice(1).map((each, index) => each - (atMs[index] ?? 0));
          process.stdout.write(`# three moves in ${Date.now() - beganMs} ms, ${apart.join(' and ')} ms apart\n`);
          assert.ok((apart[0] ?? 0) >= 1_900 && (apart[1] ?? 0) >= 3_900, apart.join());
          await cluster.apply('nomad', sleepingContainer('nomad'));
          assert.equal((await readRecord(cluster, 'nomad/0')).failing, undefined);
        } finally {
          await unmark(cluster.nodes, badAnywhere);
        }
      },
    );

    scenario('where nothing else fits stays and is restarted there, with the reason on record', async (cluster) => {
      const node = cluster.lab.node('node2');
      try {
        await mark([node], badAtHome);
        const zone = `placement: {constraints: ["zone=${node.metadata.labels['zone']}"]}`;
        await cluster.apply('settler', box('settler', badAtHome, [quick, zone]), ['--no-wait']);
        const reason = await eventually(
          'the reason',
          30_000,
          async () => (await readRecord(cluster, 'settler/0')).pending?.reason,
        );
        assert.match(
          reason,
          /^keeps failing on node2, and cannot be tried elsewhere: none of 2 nodes fits: 1 label zone/,
        );
        assert.match((await cluster.muster(['explain', 'settler'])).stdout, /cannot be tried elsewhere/);
        await node.run(['rm', '-f', badAtHome]);
        await cluster.awaitRows('settler', 'well', 120_000, ([row]) => row?.healthy === true);
        await eventually(
          'the reason gone',
          5_000,
          async () => (await readRecord(cluster, 'settler/0')).pending === undefined,
        );
      } finally {
        await unmark([node], badAtHome);
      }
    });
  });
});
