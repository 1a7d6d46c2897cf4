import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import { containerYaml, sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/** Of a shorter TTL the time from the election of etcd on is too short for the last machine to be back, when all three boot at once here. */
const afterReboot = { ttlMs: 10_000 };

scenarios(
  'all nodes reboot',
  (scenario) => {
    scenario(
      'three machines that lose power together come back to the same work on the same nodes',
      async (cluster) => {
        await cluster.startAll({
          'plain.service': sleeper(),
          'exact.service': sleeper([], ['[X-Muster]', 'Disconnect=stop']),
          'spread@.service': sleeper([], ['[X-Muster]', 'Replicas=3', 'Conflicts=spread@*.service']),
          'each.service': sleeper([], ['[X-Muster]', 'Global=true']),
          boxes: sleepingContainer('boxes', ['replicas: 3']),
          data: containerYaml('data', [
            'image: busybox:1',
            'command: [sleep, infinity]',
            'stopGrace: 1s',
            'mounts: ["data:/data"]',
          ]),
        });
        const where = async (): Promise<string[]> =>
          (await cluster.runners()).filter(({ active }) => active).map(({ name, node }) => `${name} on ${node}`);
        const [before, placements] = [await where(), await cluster.placements()];
        assert.equal(before.length, 12);
        const holder =
          before
            .find((line) => line.startsWith('muster-data'))
            ?.split(' ')
            .at(-1) ?? '';
        await cluster.lab
          .node(holder)
          .run(['docker', 'exec', 'muster-data.0', 'sh', '-c', 'echo kept >/data/file; sync']);

        await Promise.all(cluster.nodes.map(async (node) => node.powerOff()));
        const beganMs = performance.now();
        await Promise.all(cluster.nodes.map(async (node) => node.boot()));
        const bootedMs = performance.now();
        await Promise.all(cluster.nodes.map(async (node) => cluster.awaitJoined(node, 40_000)));
        await cluster.leader();
        await eventually('the same work', 40_000, async () => {
          const short = (await cluster.workloads()).filter(({ summary }) => !summary.converged);
          if (short.length === 0) return true;
          throw new Error(JSON.stringify(short.map(({ name, summary }) => [name, summary.problems])));
        });
        const [boot, all] = [bootedMs - beganMs, performance.now() - beganMs].map((ms) => (ms / 1000).toFixed(1));
        process.stdout.write(`# booted after ${boot} s, all healthy after ${all} s\n`);
        assert.deepEqual(await where(), before);
        assert.deepEqual(await cluster.placements(), placements, 'nothing was moved');
        const kept = await cluster.lab.node(holder).run(['docker', 'exec', 'muster-data.0', 'cat', '/data/file']);
        assert.equal(kept.stdout, 'kept');
        await cluster.muster(['rm', 'data']);
        await cluster.removeVolume(cluster.lab.node(holder), 'data');
      },
    );
  },
  afterReboot,
);
