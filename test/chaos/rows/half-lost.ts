import type { LabNode } from '../../lab/lab-node.ts';
import { awaitConverged } from '../convergence.ts';
import type { Field } from '../field.ts';
import { countMissing, pass, type Row } from '../row.ts';
import { expectedOf, start, units } from '../row-work.ts';

const work = [units('keeps', 20, 'keep'), units('stops', 10, 'stop')];
const awayMs = 20_000;

/** Two nodes vanish at once, cut off or without power in turn; the leader's agent restarts meanwhile; they come back. */
export const row: Row = {
  name: 'half-lost',
  fault: 'half the nodes (2 of 4, 2 of 5) lost at once and back after 20 s, the leader changed meanwhile',
  mustShow: '0 moved',
  lab: { nodes: 4, ttlMs: 4_000 },
  times: { quick: 1, full: 6 },
  run: async ({ field, times, quick, signal, say }) => {
    await start(field, work);
    let moved = 0;
    let lost = 0;
    // With three members of etcd on the first three nodes, only one of them may be among the lost.
    for (const count of quick ? [4] : [4, 5]) {
      if (count > field.nodes.length) await grow(field);
      if (count !== field.nodes.length) throw new Error(`expected ${count} nodes, there are ${field.nodes.length}`);
      for (let time = 0; time < times; time += 1) {
        const before = await field.cluster.placements();
        lost += await lose(field, field.nodes.slice(-2), time % 2 === 0, signal);
        await field.forgiveFlaps();
        moved += countMissing(before, await field.cluster.placements());
        say(`2 of ${count}, time ${time + 1}: ${moved} moved`);
      }
    }
    const { violations } = await field.judge();
    const measured = `${moved} moved (${times} × 2 of 4${quick ? '' : `, ${times} × 2 of 5`}; ${lost} instances on the lost nodes)`;
    return { failures: moved === 0 ? violations : [measured, ...violations], measured };
  },
};

async function lose(field: Field, nodes: readonly LabNode[], isCut: boolean, signal: AbortSignal): Promise<number> {
  const rows = await field.cluster.rows();
  const overs = nodes.map((node) =>
    field.faults.begin(isCut ? 'cut-off' : 'power-off', {
      node: field.idOf(node),
      ...(isCut ? {} : { endsRuns: 'all' as const }),
    }),
  );
  await Promise.all(nodes.map(async (node) => (isCut ? node.cutOff() : node.powerOff())));
  const others = field.nodes.filter((node) => !nodes.includes(node));
  await pass(awayMs / 2, signal);
  const [asked] = others;
  const leaderName = await field.cluster.ask(async (client, abort) => (await client.cluster(abort)).leader, asked);
  const leader = others.find(({ name }) => name === leaderName?.hostname);
  await leader?.run(['systemctl', 'restart', 'muster']);
  await pass(awayMs / 2, signal);
  await Promise.all(nodes.map(async (node) => (isCut ? node.reconnect() : node.boot())));
  for (const isOver of overs) isOver();
  for (const node of field.nodes) await field.cluster.awaitJoined(node, 60_000);
  await awaitConverged(field, expectedOf(work), 60_000);
  return rows.filter(({ node }) => nodes.some(({ name }) => name === node?.hostname)).length;
}

async function grow(field: Field): Promise<void> {
  await field.lab.addNode();
  await field.clear();
  await start(field, work);
}
