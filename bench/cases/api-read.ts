import { eventually } from '../../test/support/eventually.ts';
import type { BenchCase, BenchContext } from '../lib/bench-case.ts';
import { type BenchCluster, withCluster } from '../lib/bench-cluster.ts';
import { timeReads } from '../lib/http-clients.ts';
import { now } from '../lib/moments.ts';
import { makeRatio } from '../lib/result.ts';
import { percentile } from '../lib/statistics.ts';

const workloads = 1_000;
/** Of them; a node takes 250 instances, the others wait for a node that there isn't. */
const running = 720;
const clients = 50;
const forMs = 10_000;
/** Active without a process of its own. */
const cheapText = '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n';
const nameOf = (index: number) => `load-${index}.service`;

const reads: readonly { readonly name: string; readonly path: (index: number) => string }[] = [
  { name: 'api-read', path: (index) => `/v1/workloads/${nameOf((index * 37) % workloads)}` },
  { name: '  100 of them', path: (index) => `/v1/workloads?limit=100${index % 2 === 0 ? '' : '&phase=running'}` },
  { name: '  all instances', path: () => '/v1/instances' },
];

/**
 * 50 clients that ask one agent without a pause, each on its own connection: the time in which 99 of 100 answers are there. The
 * baseline is the same for 50 readers of one key of etcd, with nothing between it and them: what any answer that isn't out of date waits for.
 */
export const benchCase: BenchCase = {
  name: 'api-read',
  mustReach: 'a figure',
  run: (context, signal) =>
    withCluster(context, async function* (bench) {
      const { follower } = await bench.roles();
      await applyLoad(bench, context);
      const baseline = percentile(await timeEtcd(bench, signal), 0.99);
      const socketPath = `/proc/${follower.leaderPid}/root/run/muster/muster.sock`;
      for (const { name, path } of reads) {
        const tookMs = await timeReads(socketPath, { clients, forMs, path }, signal);
        context.say(
          `${name.trim()}: p50 ${percentile(tookMs, 0.5).toFixed(1)} ms, ${((tookMs.length / forMs) * 1000).toFixed(0)} a second`,
        );
        yield makeRatio(name, 'ms', { value: percentile(tookMs, 0.99), baseline, n: tookMs.length });
      }
    }),
};

async function applyLoad(bench: BenchCluster, context: BenchContext): Promise<void> {
  const { other } = await bench.roles();
  const run = { kind: 'unit', text: cheapText } as const;
  const documents = Array.from({ length: workloads }, (_, index) => {
    const document = bench.document(nameOf(index), run);
    if (index < running) return document;
    return { ...document, placement: { ...document.placement, machineIds: ['f'.repeat(32)] } };
  });
  const beganMs = now();
  await bench.apply(other, documents);
  await eventually(
    `${running} healthy instances`,
    180_000,
    async () => {
      const rows = await bench.cluster.rows(undefined, other);
      return rows.length === workloads && rows.filter(({ healthy }) => healthy).length === running;
    },
    1_000,
  );
  context.say(
    `api-read: ${workloads} workloads, ${running} of them healthy, after ${((now() - beganMs) / 1000).toFixed(0)} s`,
  );
}

async function timeEtcd({ kv, layout }: BenchCluster, signal: AbortSignal): Promise<number[]> {
  const tookMs: number[] = [];
  const untilMs = now() + forMs;
  const read = async () => {
    while (now() < untilMs) {
      const beganMs = now();
      await kv.get(`${layout.workloads}${nameOf(tookMs.length % workloads)}`, signal);
      tookMs.push(now() - beganMs);
    }
  };
  await Promise.all(Array.from({ length: clients }, read));
  return tookMs;
}
