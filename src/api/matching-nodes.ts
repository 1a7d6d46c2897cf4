import type { DesiredState, NodeEntry } from '../cluster/desired-state.ts';
import type { NodeId } from '../domain/ids.ts';
import type { Workload } from '../domain/spec.ts';

/**
 * The nodes on which a global workload should have an instance, as far as a node alone can tell: present, meant for it, with its
 * runtime. Whether there is room is the leader's to say: then the instance is pending, with a reason.
 */
export function matchingNodes(state: DesiredState, workload: Workload): NodeId[] {
  return [...state.nodes].flatMap(([id, node]) => (matches(id, node, workload) ? [id] : [])).sort();
}

function matches(id: NodeId, { record, presence, settings }: NodeEntry, { placement, needs }: Workload): boolean {
  if (record === undefined || presence?.state !== 'up' || settings?.draining === true) return false;
  if (settings?.cordoned === true || record.runtimes[needs.runtime] === undefined) return false;
  const labels: Readonly<Record<string, string>> = { ...record.labels, ...settings?.labels };
  const { machineIds } = placement;
  const isMachine = (wanted: string) =>
    [id, record.machineId].some((own) => own === wanted || own.slice(0, 8) === wanted);
  if (machineIds.length > 0 && !machineIds.some(isMachine)) return false;
  return placement.labels.every(({ key, values }) => values.includes(labels[key] ?? ''));
}
