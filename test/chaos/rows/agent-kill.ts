import { awaitConverged } from '../convergence.ts';
import { countMissing, pass, type Row } from '../row.ts';
import { containers, expectedOf, start, units } from '../row-work.ts';

const work = [
  units('keeps', 12, 'keep'),
  units('stops', 12, 'stop'),
  containers('boxes', 3, 'keep'),
  containers('vaults', 3, 'stop'),
];

/** kill -9 to each node's agent in turn; systemd starts it again a second later. */
export const row: Row = {
  name: 'agent-kill',
  fault: 'agent killed (SIGKILL) and back within 10 s, 30 instances',
  mustShow: '0 disturbed',
  lab: { nodes: 3, ttlMs: 10_000 },
  times: { quick: 3, full: 30 },
  run: async ({ field, times, signal }) => {
    await start(field, work);
    const before = { identities: await field.cluster.identities(), placements: await field.cluster.placements() };
    for (let time = 0; time < times; time += 1) {
      const node = field.nodes[time % field.nodes.length];
      if (node === undefined) break;
      const isOver = field.faults.begin('agent-kill', { node: field.idOf(node) });
      await node.killProcess('muster');
      await pass(2_000, signal);
      await field.cluster.awaitJoined(node, 10_000);
      isOver();
    }
    await awaitConverged(field, expectedOf(work), 30_000);
    const disturbed = countMissing(before.identities, await field.cluster.identities());
    const moved = countMissing(before.placements, await field.cluster.placements());
    const { violations } = await field.judge();
    const measured = `${disturbed} disturbed, ${moved} moved (${times} kills)`;
    return { failures: disturbed + moved === 0 ? violations : [measured, ...violations], measured };
  },
};
