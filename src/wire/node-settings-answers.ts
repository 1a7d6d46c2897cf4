import type { InstanceKey, WorkloadName } from '../domain/ids.ts';
import type { Drain } from '../domain/node.ts';
import type { Phase } from '../domain/status.ts';
import type { NodeRef, NodeRow } from './answers.ts';

/** `POST /v1/nodes/:id/cordon|uncordon|drain`, `PATCH /v1/nodes/:id/labels`: what operators have set on the node now. */
export interface NodeSettingsAnswer {
  readonly node: NodeRef;
  /** False: all was so already, nothing was written. */
  readonly changed: boolean;
  /** The store's revision that has it. */
  readonly revision: number;
  readonly cordoned: boolean;
  readonly draining: boolean;
  readonly drain?: Drain;
  /** The operator's alone: they lie over the node's own. */
  readonly labels: Readonly<Record<string, string>>;
}

/** The body of `POST /v1/nodes/:id/drain`. */
export interface DrainRequest {
  /** From now on; absent: an hour. */
  readonly deadlineMs?: number;
  /** What is left at the deadline is stopped, though nothing else takes it. */
  readonly force?: boolean;
  /** Global instances stay. */
  readonly keepGlobal?: boolean;
}

/** The body of `PATCH /v1/nodes/:id/labels`. */
export interface LabelsRequest {
  readonly set?: Readonly<Record<string, string>>;
  readonly remove?: readonly string[];
}

/** `DELETE /v1/nodes/:id?force=` */
export interface NodeRemovalAnswer {
  readonly node: NodeRef;
  /** False: that was asked for already. */
  readonly changed: boolean;
  readonly force: boolean;
  readonly revision: number;
}

/** `GET /v1/nodes/:id/drain`; a line of `GET /v1/nodes/:id/drain/watch`: how far a node is from being empty. */
export interface DrainProgress {
  readonly node: NodeRef;
  readonly state: NodeRow['state'];
  /** False: nobody wants it empty, or not any more. */
  readonly draining: boolean;
  readonly drain?: Drain;
  /** Nothing was seen on it any more but what stays: by what its agent reported, not by what was ordered. */
  readonly drained: boolean;
  /** There is something left, and none of it can go as things are. */
  readonly blocked: boolean;
  /** What has still to go. */
  readonly left: readonly DrainRow[];
  /** Global instances that are to stay. */
  readonly staying: readonly string[];
}

/** An instance that a node which drains still has. */
export interface DrainRow {
  readonly key: InstanceKey;
  readonly workload: WorkloadName;
  /** What people read and type. */
  readonly instance: string;
  readonly phase: Phase;
  /**
   * `waits`: for its turn. `moving`: its new copy isn't healthy yet. `stopping`: it has been told to. `last`: it's global, and goes
   * when all others have. `blocked`: it can't go as things are.
   */
  readonly state: 'waits' | 'moving' | 'stopping' | 'last' | 'blocked';
  /** Where its new copy is. */
  readonly to?: NodeRef;
  /** In one line: what it waits for. */
  readonly why: string;
  /** Since when it's in this phase: ISO 8601. */
  readonly since?: string;
}
