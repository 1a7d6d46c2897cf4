import { setTimeout as delay } from 'node:timers/promises';
import type { LabNode } from '../../test/lab/lab-node.ts';
import type { BenchCase } from '../lib/bench-case.ts';
import { type BenchCluster, withCluster } from '../lib/bench-cluster.ts';
import { sleepText } from '../lib/machine-times.ts';
import { now } from '../lib/moments.ts';
import { hostPid } from '../lib/processes.ts';
import { makeResult } from '../lib/result.ts';

const runs = 5;
const unit = 'bench.service';
const dropIn = '/run/systemd/system/muster.service.d/stay-down.conf';

/**
 * From the end of the leader's agent, which stays down, to the next leader's first order: for a unit that is given to another
 * node once nobody leads. The baseline is the TTL.
 */
export const benchCase: BenchCase = {
  name: 'leader-failover',
  mustReach: 'median <= TTL + 0.5 s; on SIGTERM 300 ms',
  run: (context, signal) =>
    withCluster(context, async function* (bench) {
      const ttls = [bench.cluster.ttlMs];
      for (const [name, how] of [
        ['leader-failover', 'SIGKILL'],
        ['  on SIGTERM', 'SIGTERM'],
      ] as const) {
        const tookMs: number[] = [];
        for (let run = 0; run < runs; run += 1) {
          signal.throwIfAborted();
          const { orderedMs, resignedMs } = await endLeader(bench, how);
          context.say(
            `leader-failover: ${how}: ${orderedMs.toFixed(0)} ms, candidacy gone after ${resignedMs.toFixed(0)} ms`,
          );
          tookMs.push(orderedMs);
        }
        yield makeResult(name, 'ms', tookMs, ttls);
      }
    }),
};

async function endLeader(
  bench: BenchCluster,
  how: 'SIGKILL' | 'SIGTERM',
): Promise<{ orderedMs: number; resignedMs: number }> {
  const { leader, other } = await bench.roles();
  await leader.writeFile(dropIn, '[Service]\nRestart=no\n');
  await leader.run(['systemctl', 'daemon-reload']);
  const pid = await hostPid(leader, 'muster.service');
  const candidacies = await bench.record(bench.layout.election);
  const orders = await bench.record(bench.layout.assignments);
  try {
    await delay(3_000 + Math.random() * 2_500); // any moment between two renewals
    const document = bench.document(unit, { kind: 'unit', text: sleepText });
    const endedMs = now();
    process.kill(pid, how);
    // One that is told to end could still place it.
    if (how === 'SIGKILL') await bench.apply(other, [document]);
    const resigned = await candidacies.first('the end of the term', 30_000, ({ type }) => type === 'delete');
    if (how === 'SIGTERM') await bench.apply(other, [document]);
    const order = await orders.first('an order of the next leader', 30_000, ({ type }) => type === 'put');
    return { orderedMs: order.atMs - endedMs, resignedMs: resigned.atMs - endedMs };
  } finally {
    await candidacies.close();
    await orders.close();
    await restore(bench, leader, other);
  }
}

async function restore(bench: BenchCluster, node: LabNode, other: LabNode): Promise<void> {
  await node.run(['rm', '-f', dropIn]);
  await node.run(['systemctl', 'daemon-reload']);
  await node.run(['systemctl', 'reset-failed', 'muster.service'], { reject: false });
  await node.run(['systemctl', 'start', 'muster.service']);
  await bench.awaitWhole();
  await bench.remove(other, [unit]);
}
