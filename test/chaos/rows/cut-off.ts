import { beganMs, lastBeatMs, nowMs } from '../../lab/checker/run-log.ts';
import type { LabNode } from '../../lab/lab-node.ts';
import { awaitConverged } from '../convergence.ts';
import type { Field } from '../field.ts';
import { pass, type Row, seconds } from '../row.ts';
import { containers, expectedOf, start, units } from '../row-work.ts';

const work = [units('stops', 9, 'stop'), containers('vaults', 3, 'stop'), units('keeps', 3, 'keep')];
const directions = ['both', 'from-node', 'to-node'] as const;
/** The lease, the wait after its loss was seen, and what starting takes. */
const replacedAfterTtls = 3;

/** A node's packets are dropped: both ways, only those that it sends, only those that it is sent. Nodes and ways in turn. */
export const row: Row = {
  name: 'cut-off',
  fault: 'node cut off, one-way cut',
  mustShow: 'overlap of `stop` instances 0 ms in 50 runs; `keep` undisturbed',
  lab: { nodes: 3, ttlMs: 4_000 },
  times: { quick: 3, full: 51 },
  run: async ({ field, times, signal, say }) => {
    await start(field, work);
    const failures: string[] = [];
    let replaced = 0;
    let shortestGapMs = Infinity;
    for (let time = 0; time < times; time += 1) {
      const node = field.nodes[time % field.nodes.length];
      const direction = directions[(time + Math.floor(time / field.nodes.length)) % directions.length];
      if (node === undefined || direction === undefined) break;
      const atMs = nowMs();
      await once(field, node, direction, signal);
      const gaps = await replacementGaps(field, node, atMs);
      replaced += gaps.length;
      shortestGapMs = Math.min(shortestGapMs, ...gaps);
      await field.forgiveFlaps();
      say(`time ${time + 1}, ${node.name}, ${direction}: ${gaps.length} replaced`);
    }
    const { violations, longestOverlapMs } = await field.judge();
    if (replaced === 0) failures.push('no `stop` instance was replaced: nothing was shown');
    const measured = `overlap ${Math.round(longestOverlapMs)} ms in ${times} runs, ${replaced} replaced, shortest gap ${seconds(shortestGapMs)}`;
    return { failures: [...failures, ...violations], measured };
  },
};

async function once(
  field: Field,
  node: LabNode,
  direction: (typeof directions)[number],
  signal: AbortSignal,
): Promise<void> {
  const isOver = field.faults.begin('cut-off', { node: field.idOf(node) });
  await node.cutOff(direction);
  await pass(replacedAfterTtls * field.lab.ttlMs, signal);
  await node.reconnect();
  isOver();
  await field.cluster.awaitJoined(node, 30_000);
  await awaitConverged(field, expectedOf(work), 60_000);
}

/** From the last beat on the node to the first elsewhere, of each `stop` instance that was replaced since then. */
async function replacementGaps(field: Field, node: LabNode, sinceMs: number): Promise<number[]> {
  const runs = (await field.runs()).filter(({ mode }) => mode === 'stop');
  return runs
    .filter((run) => run.node !== field.idOf(node) && beganMs(run) > sinceMs)
    .flatMap((run) => {
      const before = runs.findLast((each) => each.instance === run.instance && beganMs(each) < beganMs(run));
      return before?.node === field.idOf(node) ? [beganMs(run) - lastBeatMs(before)] : [];
    });
}
