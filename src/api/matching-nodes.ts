import type { DesiredState, NodeEntry } from '../cluster/desired-state.ts';
import { makeInstanceKey, type NodeId, type Slot, type WorkloadName } from '../domain/ids.ts';
import type { Workload } from '../domain/spec.ts';

/**
 * The nodes on which a global workload should have an instance, as far as a node alone can tell: present, meant for it, with its
 * runtime. Whether there is room is the leader's to say: then the instance is pending, with a reason. A node that takes nothing new
 * keeps what it has until the leader orders otherwise.
 */
export function matchingNodes(state: DesiredState, name: WorkloadName, workload: Workload): NodeId[] {
  const copies = state.copiesOf(name);
  const isOrdered = (id: NodeId) => {
    const key = makeInstanceKey(name, id as string as Slot);
    return copies.get(key)?.get(id)?.assignment?.value.order === 'run';
  };
  return [...state.nodes].flatMap(([id, node]) => (matches(id, node, workload, isOrdered) ? [id] : [])).sort();
}

function matches(
  id: NodeId,
  { record, presence, settings }: NodeEntry,
  { placement, needs }: Workload,
  isOrdered: (id: NodeId) => boolean,
): boolean {
  if (record === undefined || presence?.state !== 'up' || record.runtimes[needs.runtime] === undefined) return false;
  if ((settings?.draining === true || settings?.cordoned === true) && !isOrdered(id)) return false;
  const labels: Readonly<Record<string, string>> = { ...record.labels, ...settings?.labels };
  const { machineIds } = placement;
  const isMachine = (wanted: string) =>
    [id, record.machineId].some((own) => own === wanted || own.slice(0, 8) === wanted);
  if (machineIds.length > 0 && !machineIds.some(isMachine)) return false;
  return placement.labels.every(({ key, values }) => values.includes(labels[key] ?? ''));
}
