import { setTimeout as delay } from 'node:timers/promises';
import type { LabNode } from '../../test/lab/lab-node.ts';
import type { BenchCase } from '../lib/bench-case.ts';
import { type BenchCluster, withCluster } from '../lib/bench-cluster.ts';
import { dropUnits, lastActive, sleepText, timeOnNode, writeUnits } from '../lib/machine-times.ts';
import { makeResult } from '../lib/result.ts';

const runs = 30;
/** Until the unit is surely up: asking systemd meanwhile would be measured, too. */
const leaveAloneMs = 250;

/**
 * From the order's appearance in etcd, as a watcher in the host learns of it, to the unit being active by systemd's own clock;
 * against `systemctl start` of the same text under another name, from the start of its process. In turns, on one follower.
 */
export const benchCase: BenchCase = {
  name: 'unit-start',
  mustReach: 'ratio <= 1.2',
  run: (context, signal) =>
    withCluster(context, async function* (bench) {
      const { follower, other } = await bench.roles();
      const [ours, theirs, toExit]: [number[], number[], number[]] = [[], [], []];
      for (let run = -2; run < runs; run += 1) {
        signal.throwIfAborted();
        const ourMs = await startByOrder(bench, follower, other, `bench-${run + 2}.service`);
        const { activeMs, exitMs } = await startByHand(follower, `base-${run + 2}.service`);
        if (run < 0) continue;
        ours.push(ourMs);
        theirs.push(activeMs);
        toExit.push(exitMs);
      }
      yield makeResult('unit-start', 'ms', ours, theirs);
      context.say(
        `unit-start: over the whole of systemctl start: ${makeResult('', 'ms', ours, toExit).ratio.toFixed(2)}`,
      );
    }),
};

async function startByOrder(bench: BenchCluster, node: LabNode, via: LabNode, unit: string): Promise<number> {
  const orders = await bench.record(bench.layout.assignmentsOf(await bench.idOf(node)));
  try {
    await delay(100);
    await bench.apply(via, [bench.document(unit, { kind: 'unit', text: sleepText }, { on: node })]);
    const order = await orders.first('an order', 10_000, ({ type }) => type === 'put');
    await delay(leaveAloneMs);
    const activeMs = await lastActive([node], [unit], { deadlineMs: 10_000, pollMs: 100 });
    await bench.remove(via, [unit]);
    return activeMs - order.atMs;
  } finally {
    await orders.close();
  }
}

async function startByHand(node: LabNode, unit: string): Promise<{ activeMs: number; exitMs: number }> {
  await writeUnits(node, [unit], sleepText);
  await delay(100);
  const { beganMs, endedMs } = await timeOnNode(node, ['systemctl', 'start', unit]);
  const activeMs = await lastActive([node], [unit], { deadlineMs: 10_000, pollMs: 100 });
  await dropUnits(node, [unit]);
  return { activeMs: activeMs - beganMs, exitMs: endedMs - beganMs };
}
