import {
  type ClusterId,
  type InstanceKey,
  makeInstanceKey,
  parseSlot,
  parseWorkloadName,
  splitInstanceKey,
} from '../../domain/ids.ts';
import type { DisconnectMode } from '../../domain/spec.ts';
import type { StartOrder } from '../port.ts';

/** A container's labels as Docker gives them. */
export type Labels = Readonly<Record<string, string>>;

/** What a container's labels say of the instance that it is. */
export interface Ownership {
  readonly key: InstanceKey;
  readonly specHash: string;
  readonly disconnect: DisconnectMode;
  readonly assignmentRevision: number;
}

const managed = 'muster.managed';
const cluster = 'muster.cluster';
const workload = 'muster.workload';
const slot = 'muster.slot';
const specHash = 'muster.spec-hash';
const assignmentRevision = 'muster.assignment-revision';
const disconnect = 'muster.disconnect';

/** The labels that make a container ours. They say all that a restarted agent must know of it. */
export function makeLabels(clusterId: ClusterId, order: StartOrder): Labels {
  const parts = splitInstanceKey(order.key);
  return {
    [managed]: 'true',
    [cluster]: clusterId,
    [workload]: parts.workload,
    [slot]: parts.slot,
    [specHash]: order.specHash,
    [assignmentRevision]: String(order.assignmentRevision),
    [disconnect]: order.disconnect,
  };
}

/** What the labels say; undefined for a container that this cluster doesn't own, or whose labels can't be ours. */
export function readLabels(clusterId: ClusterId, labels: Labels | null | undefined): Ownership | undefined {
  if (labels?.[managed] !== 'true' || labels[cluster] !== clusterId) return undefined;
  try {
    return {
      key: makeInstanceKey(parseWorkloadName(labels[workload] ?? ''), parseSlot(labels[slot] ?? '')),
      specHash: labels[specHash] ?? '',
      disconnect: labels[disconnect] === 'stop' ? 'stop' : 'keep',
      assignmentRevision: Number(labels[assignmentRevision] ?? 0),
    };
  } catch {
    return undefined; // labels made by hand
  }
}

/** Docker's filter for all containers of the cluster, or for those of one instance. */
export function makeLabelFilter(clusterId: ClusterId, key?: InstanceKey): string[] {
  const ours = [`${managed}=true`, `${cluster}=${clusterId}`];
  if (key === undefined) return ours;
  const parts = splitInstanceKey(key);
  return [...ours, `${workload}=${parts.workload}`, `${slot}=${parts.slot}`];
}
