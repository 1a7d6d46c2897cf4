import { awaitConverged } from '../convergence.ts';
import type { Field } from '../field.ts';
import { countMissing, pass, type Row, type RowContext, type RowResult } from '../row.ts';
import { containers, expectedOf, start, units } from '../row-work.ts';

const work = [units('keeps', 12, 'keep'), units('stops', 12, 'stop'), containers('vaults', 3, 'stop')];
const frozenMs = 15_000;

/** SIGSTOP to the member of etcd that leads, SIGCONT after 15 s: at its thaw it may revoke leases that live. */
export const row: Row = {
  name: 'etcd-leader-frozen-3.4',
  fault: 'etcd leader frozen 15 s and thawed, 10 times, etcd 3.4.23',
  mustShow: '0 lease-loss moves, overlap 0',
  lab: { nodes: 3, ttlMs: 10_000 },
  times: { quick: 1, full: 10 },
  run: freezeLeaders,
};

/** The same row on the newer etcd. */
export const newer: Row = {
  ...row,
  name: 'etcd-leader-frozen-3.5',
  fault: 'etcd leader frozen 15 s and thawed, 10 times, etcd 3.5.16',
  lab: { ...row.lab, etcd: '3.5' },
  times: { quick: 0, full: 10 },
};

async function freezeLeaders({ field, times, signal, say }: RowContext): Promise<RowResult> {
  await start(field, work);
  const before = await field.cluster.placements();
  const leases = await presences(field);
  let lost = 0;
  for (let time = 0; time < times; time += 1) {
    const endpoint = await field.cluster.store.leaderEndpoint();
    const node = field.nodes.find(({ address }) => endpoint.includes(`//${address}:`));
    if (node === undefined) throw new Error(`Cannot find the node of ${endpoint}`);
    const isOver = field.faults.begin('etcd-freeze', { node: field.idOf(node) });
    await node.freezeProcess('etcd');
    await pass(frozenMs, signal);
    await node.thawProcess('etcd');
    isOver();
    await field.lab.awaitEtcd();
    await pass(5_000, signal);
    const now = await presences(field);
    lost += countMissing([...leases], [...now]);
    leases.clear();
    for (const each of now) leases.add(each);
    say(`time ${time + 1}: ${lost} leases lost, ${countMissing(before, await field.cluster.placements())} moved`);
  }
  await awaitConverged(field, expectedOf(work), 60_000);
  const moved = countMissing(before, await field.cluster.placements());
  const { violations, longestOverlapMs } = await field.judge();
  const measured = `${moved} moved, overlap ${Math.round(longestOverlapMs)} ms (${times} ×; ${lost} leases were revoked)`;
  return { failures: moved === 0 ? violations : [measured, ...violations], measured };
}

/** Each node's presence with the lease that it hangs on. */
async function presences({ cluster }: Field): Promise<Set<string>> {
  const keys = (await cluster.store.list(`${cluster.root}nodes/`)).filter(({ key }) => key.endsWith('/presence'));
  return new Set(keys.map(({ key, lease }) => `${key} ${lease}`));
}
