import type { InstanceKey, NodeId, Slot, WorkloadName } from '../domain/ids.ts';
import type { NodeRecord, NodeSettings, Presence } from '../domain/node.ts';
import type { Assignment, InstanceRecord, Workload } from '../domain/spec.ts';
import type { InstanceStatus } from '../domain/status.ts';

/** A stored value and the revision that last changed it: what a step compares. */
export interface Versioned<T> {
  readonly value: T;
  readonly revision: number;
}

/** What the store holds of one instance on one node. With neither part it is an order that can't be read. */
export interface CopyView {
  readonly key: InstanceKey;
  readonly node: NodeId;
  readonly assignment: Versioned<Assignment> | undefined;
  readonly status: Versioned<InstanceStatus> | undefined;
}

/**
 * Its node says that it runs, or is about to, and nothing orders it there. It's so as soon as the order is gone: that the node
 * calls it an orphan comes later.
 */
export function isUnordered({ assignment, status }: CopyView): boolean {
  return assignment === undefined && status !== undefined && !['stopped', 'failed'].includes(status.value.phase);
}

/** One instance: the leader's record of it, and its copies by node. */
export interface InstanceView {
  readonly key: InstanceKey;
  readonly slot: Slot;
  readonly record: Versioned<InstanceRecord> | undefined;
  readonly copies: ReadonlyMap<NodeId, CopyView>;
  /** Keys of this instance whose values can't be read: as long as there are any, nothing is decided about it. */
  readonly unreadable: ReadonlySet<string>;
}

/** One workload with every instance of it that has left a trace in the store. */
export interface WorkloadView {
  readonly name: WorkloadName;
  /** Absent: there are traces of instances, but no such workload. */
  readonly workload: Versioned<Workload> | undefined;
  /** The workload's value can't be read: then absence means nothing. */
  readonly unreadable: boolean;
  readonly instances: ReadonlyMap<Slot, InstanceView>;
}

/** One node that anything in the store names. */
export interface NodeView {
  readonly id: NodeId;
  readonly record: NodeRecord | undefined;
  /** Of what is stored as its record, readable or not; 0: nothing is. Absent: nobody looked. */
  readonly recordRevision?: number;
  readonly presence: Versioned<Presence> | undefined;
  /**
   * For so long what it says may be from before its agent came, or came back: that takes presence first, and then says what runs.
   * Absent: it has had the time.
   */
  readonly reportsInMs?: number;
  readonly settings: NodeSettings;
  /** The node's own labels under those that operators set. */
  readonly labels: Readonly<Record<string, string>>;
  /** Monotonic, since its presence was seen to be gone; undefined while it's present. */
  readonly absentForMs: number | undefined;
  /** When a leader declared it lost, by that one's clock; undefined while it's present, or before. */
  readonly lostSince?: string | undefined;
  /** How long its absence doesn't count yet: a fresh leader can't know how old it is, or it's held, as many vanished with it. */
  readonly trustAbsenceInMs: number;
  /** How long its `stop` instances may still run by a lease that its agent left when it went. Absent: no longer than the TTL. */
  readonly stopsEndInMs?: number;
  /** An operator says that it's gone for good, and it's absent. `force`: what it ran doesn't run any more, whatever time says. */
  readonly removal?: { readonly force: boolean } | undefined;
  /** Many leave together: while it's still there, too, nothing of it is replaced. */
  readonly isHeld?: boolean;
  /** It came and went: it gets no new work for now. `until`: ISO 8601. */
  readonly calm?: { readonly until: string; readonly flaps: number } | undefined;
  /** The TTL that its agent lives by: after it, that agent has stopped its `stop` instances. */
  readonly ttlMs: number;
  readonly copies: ReadonlyMap<InstanceKey, CopyView>;
}

/** The whole cluster at one revision of the store. */
export interface ClusterView {
  /** For the times in what is written. */
  readonly nowIso: string;
  /** Of the hold of a mass loss, ended or not; 0: there's none. Absent: nobody looked. */
  readonly holdRevision?: number;
  readonly nodes: ReadonlyMap<NodeId, NodeView>;
  readonly workloads: ReadonlyMap<WorkloadName, WorkloadView>;
}
