import { awaitConverged } from '../convergence.ts';
import { countDuplicates, countMissing, pass, type Row, seconds } from '../row.ts';
import { containers, expectedOf, start, units } from '../row-work.ts';

const work = [units('many', 80, 'keep'), containers('boxes', 20, 'keep')];

/** All members of etcd stop, and start again a minute later. */
export const row: Row = {
  name: 'etcd-away',
  fault: 'etcd away for 60 s, 100 instances, three nodes',
  mustShow: '0 disturbed, 0 moved, 0 duplicates',
  lab: { nodes: 3, ttlMs: 10_000 },
  times: { quick: 1, full: 3 },
  run: async ({ field, times, quick, say, signal }) => {
    await start(field, work, 240_000);
    const outageMs = quick ? 25_000 : 60_000;
    const counts = { disturbed: 0, moved: 0 };
    let longestMs = 0;
    for (let time = 0; time < times; time += 1) {
      const before = { identities: await field.cluster.identities(), placements: await field.cluster.placements() };
      await Promise.all(field.nodes.map(async (node) => node.run(['systemctl', 'stop', 'etcd'])));
      await pass(outageMs, signal);
      await Promise.all(field.nodes.map(async (node) => node.run(['systemctl', 'start', 'etcd'])));
      await field.lab.awaitEtcd();
      for (const node of field.nodes) await field.cluster.awaitJoined(node, 60_000);
      // Long enough for whoever would take a node for dead.
      await pass(2 * field.lab.ttlMs, signal);
      longestMs = Math.max(longestMs, await awaitConverged(field, expectedOf(work), 60_000));
      counts.disturbed += countMissing(before.identities, await field.cluster.identities());
      counts.moved += countMissing(before.placements, await field.cluster.placements());
      say(`time ${time + 1}: ${counts.disturbed} disturbed, ${counts.moved} moved`);
    }
    const { violations } = await field.judge();
    const duplicates = countDuplicates(await field.runs()).instances;
    const measured = `${counts.disturbed} disturbed, ${counts.moved} moved, ${duplicates} duplicates (${times} × ${seconds(outageMs)})`;
    const isGood = counts.disturbed + counts.moved + duplicates === 0;
    return { failures: isGood ? violations : [measured, ...violations], measured };
  },
};
