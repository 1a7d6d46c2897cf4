import { setTimeout as delay } from 'node:timers/promises';
import type { LabNode } from '../../test/lab/lab-node.ts';
import type { BenchCase } from '../lib/bench-case.ts';
import { type BenchCluster, withCluster } from '../lib/bench-cluster.ts';
import { activeSince, lastActive, sleepText } from '../lib/machine-times.ts';
import { now } from '../lib/moments.ts';
import { makeResult } from '../lib/result.ts';

/** In each run, whether the node that dies leads etcd itself: its successor there gives every lease a whole TTL anew. */
const leadsEtcd = [false, true, false, true, false];
const each = 9;
const keepUnits = Array.from({ length: each }, (_, index) => `keep-${index}.service`);
const stopUnits = Array.from({ length: each }, (_, index) => `stop-${index}.service`);

interface Run {
  readonly leadsEtcd: boolean;
  readonly keepMs: number;
  readonly stopMs: number;
}

/** From a node's power being cut to the last of what it ran being active elsewhere. The baseline is the TTL. */
export const benchCase: BenchCase = {
  name: 'failover',
  mustReach: 'median <= TTL + 1.5 s; stop: 2 TTL + 1.5 s',
  run: (context, signal) =>
    withCluster(context, async function* (bench) {
      const runs: Run[] = [];
      const documents = [
        ...keepUnits.map((name) => bench.document(name, { kind: 'unit', text: sleepText })),
        ...stopUnits.map((name) => bench.document(name, { kind: 'unit', text: sleepText }, { disconnect: 'stop' })),
      ];
      for (const [index, leads] of leadsEtcd.entries()) {
        signal.throwIfAborted();
        const { leader, follower, other } = await bench.roles();
        // Followers and the leader take turns to die: the latter costs an election besides.
        const victim = index % 2 === 0 ? follower : leader;
        await bench.apply(other, documents);
        await lastActive(bench.nodes, [...keepUnits, ...stopUnits], { deadlineMs: 30_000, pollMs: 500 });
        const run = await powerOff(bench, victim, leads);
        const what = `${victim === leader ? 'the leader' : 'a follower'}${leads ? ', leads etcd' : ''}`;
        context.say(`failover: ${what}: keep ${run.keepMs.toFixed(0)} ms, stop ${run.stopMs.toFixed(0)} ms`);
        runs.push(run);
        await victim.boot();
        await bench.awaitWhole();
        await bench.remove(other, [...keepUnits, ...stopUnits]);
      }
      const ttls = [bench.cluster.ttlMs];
      const keepMs = (wanted: readonly Run[]) => wanted.map((run) => run.keepMs);
      yield makeResult('failover', 'ms', keepMs(runs), ttls);
      yield makeResult('  of a follower of etcd', 'ms', keepMs(runs.filter((run) => !run.leadsEtcd)), ttls);
      yield makeResult('  of the leader of etcd', 'ms', keepMs(runs.filter((run) => run.leadsEtcd)), ttls);
      const stopMs = runs.map((run) => run.stopMs);
      yield makeResult('failover-stop', 'ms', stopMs, ttls);
    }),
};

async function powerOff(bench: BenchCluster, victim: LabNode, leads: boolean): Promise<Run> {
  const own = `http://${victim.address}:2379`;
  if (leads) await bench.cluster.store.moveLeader(own);
  else await bench.cluster.keepEtcdLeadOff(victim);
  const ran = await activeSince(victim, [...keepUnits, ...stopUnits]);
  const keep = keepUnits.filter((unit) => ran.has(unit));
  const stop = stopUnits.filter((unit) => ran.has(unit));
  if (keep.length === 0 || stop.length === 0)
    throw new Error(`Cannot measure: expected ${victim.name} to run some of all`);
  await delay(3_000 + Math.random() * 2_500); // any moment between two renewals
  const offMs = now();
  await victim.powerOff();
  const waiting = { deadlineMs: 6 * bench.cluster.ttlMs, pollMs: 500 };
  const keptMs = await lastActive(bench.nodes, keep, waiting);
  const stoppedMs = await lastActive(bench.nodes, stop, waiting);
  return { leadsEtcd: leads, keepMs: keptMs - offMs, stopMs: stoppedMs - offMs };
}
