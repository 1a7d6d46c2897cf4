import { setTimeout as delay } from 'node:timers/promises';
import type { BenchCase } from '../lib/bench-case.ts';
import { type BenchCluster, withCluster } from '../lib/bench-cluster.ts';
import { dropUnits, lastActive, sleepText, timeOnNode, writeUnits } from '../lib/machine-times.ts';
import { makeResult } from '../lib/result.ts';

const units = 100;
const runs = 5;
const waiting = { deadlineMs: 60_000, pollMs: 1_000 };

/**
 * A hundred unit files in one `muster apply`, from the first that is in the store to the last that is active; against a
 * `systemctl start` of a third of the same units on each of the three nodes at once.
 */
export const benchCase: BenchCase = {
  name: 'unit-batch',
  mustReach: 'ratio <= 2.0',
  run: (context, signal) =>
    withCluster(context, async function* (bench) {
      const [ours, theirs]: [number[], number[]] = [[], []];
      for (let run = -1; run < runs; run += 1) {
        signal.throwIfAborted();
        const ourMs = await applyAll(bench, run + 1);
        const theirMs = await startAll(bench, run + 1);
        context.say(
          `unit-batch: ${ourMs.toFixed(0)} ms, by hand ${theirMs.toFixed(0)} ms${run < 0 ? ' (warm-up)' : ''}`,
        );
        if (run < 0) continue;
        ours.push(ourMs);
        theirs.push(theirMs);
      }
      yield makeResult('unit-batch', 'ms', ours, theirs);
    }),
};

async function applyAll(bench: BenchCluster, run: number): Promise<number> {
  const { follower } = await bench.roles();
  const names = Array.from({ length: units }, (_, index) => `bench-${run}-${index}.service`);
  const folder = `/root/bench-${run}`;
  const write = 'text=$(cat); mkdir -p "$1" && cd "$1" && shift && for file; do printf "%s\\n" "$text" >"$file"; done';
  await follower.run(['sh', '-c', write, 'sh', folder, ...names], { input: sleepText });
  const accepted = await bench.record(bench.layout.workloads);
  try {
    await delay(500);
    await timeOnNode(follower, ['muster', 'apply', folder]);
    const first = await accepted.first('an accepted workload', 1_000, ({ type }) => type === 'put');
    const activeMs = await lastActive(bench.nodes, names, waiting);
    await bench.remove(follower, names);
    return activeMs - first.atMs;
  } finally {
    await accepted.close();
  }
}

async function startAll(bench: BenchCluster, run: number): Promise<number> {
  const shares = bench.nodes.map((node, at) => {
    const own = Array.from({ length: units }, (_, index) => index).filter((index) => index % bench.nodes.length === at);
    return { node, names: own.map((index) => `base-${run}-${index}.service`) };
  });
  await Promise.all(shares.map(async ({ node, names }) => writeUnits(node, names, sleepText)));
  await delay(500);
  const timed = await Promise.all(
    shares.map(async ({ node, names }) => timeOnNode(node, ['systemctl', 'start', ...names])),
  );
  const lasts = await Promise.all(shares.map(async ({ node, names }) => lastActive([node], names, waiting)));
  await Promise.all(shares.map(async ({ node, names }) => dropUnits(node, names)));
  return Math.max(...lasts) - Math.min(...timed.map(({ beganMs }) => beganMs));
}
