import { setTimeout as delay } from 'node:timers/promises';
import type { BenchCase } from '../lib/bench-case.ts';
import { withCluster } from '../lib/bench-cluster.ts';
import { lastActive, sleepText, timeOnNode } from '../lib/machine-times.ts';
import { makeRatio } from '../lib/result.ts';
import { median } from '../lib/statistics.ts';

const runs = 20;

/** `muster apply` of one unit from the start of its process to the unit being active, on whichever node, less `muster version`. */
export const benchCase: BenchCase = {
  name: 'unit-submit',
  mustReach: 'value <= 60 ms',
  run: (context, signal) =>
    withCluster(context, async function* (bench) {
      const [submitMs, versionMs]: [number[], number[]] = [[], []];
      for (let run = -3; run < runs; run += 1) {
        signal.throwIfAborted();
        const node = bench.nodes[(run + 3) % bench.nodes.length] ?? (await bench.cluster.leader());
        const unit = `bench-${run + 3}.service`;
        await node.writeFile(`/root/bench/${unit}`, sleepText);
        await delay(100);
        const version = await timeOnNode(node, ['muster', 'version']);
        await delay(100);
        const { beganMs } = await timeOnNode(node, ['muster', 'apply', `/root/bench/${unit}`]);
        const activeMs = await lastActive(bench.nodes, [unit], { deadlineMs: 10_000, pollMs: 100 });
        await bench.remove(node, [unit]);
        if (run < 0) continue;
        submitMs.push(activeMs - beganMs);
        versionMs.push(version.endedMs - version.beganMs);
      }
      const baseline = median(versionMs);
      yield makeRatio('unit-submit', 'ms', { value: median(submitMs) - baseline, baseline, n: runs });
    }),
};
