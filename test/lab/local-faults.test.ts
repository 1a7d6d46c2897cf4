import type { LabNode } from './lab-node.ts';
import { containerTouched, unitFileTouched } from './local-faults/by-hand.ts';
import { busAway, descriptorsTaken, dockerdAway, journaldAway } from './local-faults/daemons.ts';
import { dockerFull, runFull, varFull } from './local-faults/disks.ts';
import { type LocalFault, workOf } from './local-faults/own-work.ts';
import type { Cluster } from './scenario/cluster.ts';
import { scenarios } from './shared.ts';

/**
 * What each machine goes through, one after the other: a fault that lasts a minute, or some shorter ones. The first is the one whose
 * API is asked: it can be in each of its own. Nothing else happens on the second while its unit file is away, so that nothing hints at it.
 */
const faults: Readonly<Record<string, readonly LocalFault[]>> = {
  node1: [containerTouched, dockerdAway],
  node2: [unitFileTouched, runFull],
  node3: [busAway, dockerFull, varFull],
  node4: [descriptorsTaken, journaldAway],
};

async function goThrough(cluster: Cluster, node: LabNode): Promise<void> {
  const { unit, container } = workOf(node);
  for (const fault of faults[node.name] ?? []) {
    try {
      await fault(cluster, node);
    } catch (cause) {
      throw new Error(`${fault.name} on ${node.name}`, { cause });
    }
    const known = new Set<string>((await cluster.workloads()).map(({ name }) => name));
    const left = [unit, container].filter((name) => known.has(name));
    if (left.length > 0) await cluster.muster(['rm', ...left]);
  }
}

scenarios('local faults', (scenario) => {
  scenario(
    'of disks, daemons, file descriptors and by hand: reported, repaired where it is ours, and no loop at full speed',
    async (cluster) => {
      await cluster.awaitJoined(await cluster.lab.addNode());
      const ends = await Promise.allSettled(cluster.nodes.map(async (node) => goThrough(cluster, node)));
      const failed = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
      if (failed.length > 0) throw failed.length === 1 ? failed[0] : new AggregateError(failed, 'several faults');
    },
  );
});
