import type { LabNode } from '../../lab/lab-node.ts';
import { awaitConverged } from '../convergence.ts';
import { setDraining } from '../faults.ts';
import type { Field } from '../field.ts';
import type { Row } from '../row.ts';
import { expectedOf, type RowWork, start, units } from '../row-work.ts';

const stopMs = 10_000;
const count = 3;
const editionOf = (edition: number): RowWork[] => [units('slow', count, 'stop', stopMs, edition)];

/** Drains the nodes in turn, and changes the spec. */
export const row: Row = {
  name: 'slow-stop',
  fault: 'planned move and spec change of a `stop` instance that takes 10 s to stop',
  mustShow: 'overlap 0',
  lab: { nodes: 3, ttlMs: 4_000 },
  times: { quick: 1, full: 6 },
  run: async ({ field, times }) => {
    await start(field, editionOf(0));
    for (let time = 0; time < times; time += 1) {
      const node = field.nodes[time % field.nodes.length];
      if (node === undefined) break;
      await drain(field, node, time);
      await start(field, editionOf(time + 1), 90_000);
    }
    const { violations, longestOverlapMs } = await field.judge();
    const runs = (await field.runs()).length;
    const failures = runs >= count + times * (count + 1) ? [] : [`only ${runs} runs: too little was moved or changed`];
    const measured = `overlap ${Math.round(longestOverlapMs)} ms (${times} drains, ${times} spec changes, ${runs} runs)`;
    return { failures: [...failures, ...violations], measured };
  },
};

async function drain(field: Field, node: LabNode, edition: number): Promise<void> {
  const expected = expectedOf(editionOf(edition));
  await setDraining(field, node, true);
  await field.cluster.awaitRows('slow@.service', `off ${node.name}`, 60_000, (rows) => {
    return rows.length === count && rows.every((each) => each.node?.hostname !== node.name);
  });
  await awaitConverged(field, expected, 60_000);
  await setDraining(field, node, false);
}
