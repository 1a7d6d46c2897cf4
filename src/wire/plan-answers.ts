import type { InstanceKey, WorkloadName } from '../domain/ids.ts';
import type { NodeRef } from './answers.ts';
import type { ProblemLine } from './problem.ts';

/** The body of `POST /v1/plan`: what would be applied, and what removed; no name twice. */
export interface PlanRequest {
  readonly documents?: readonly unknown[];
  readonly remove?: readonly string[];
}

/** `POST /v1/plan`: what would happen, were that ordered and all to go well. Nothing is done. */
export interface PlanAnswer {
  /** The store's revision that it's planned on. */
  readonly revision: number;
  /** False: nothing would be written. What happens to instances all the same is under way already. */
  readonly changes: boolean;
  /** False: it was given up before its end, as there is too much to do. */
  readonly complete: boolean;
  /** In the order of the documents, then of the names to remove. What is refused says why. */
  readonly workloads: readonly (PlannedWorkload | ProblemLine)[];
  /** Instances of other workloads to which something would happen for it. */
  readonly others: readonly PlannedInstance[];
  readonly warnings: readonly string[];
  /** What could not be read, or not be planned. */
  readonly problems: readonly string[];
}

/** What would become of one workload. */
export interface PlannedWorkload {
  readonly name: WorkloadName;
  /** `start`: it's stopped or being removed, and would run again. `none`: all is so already. */
  readonly action: 'create' | 'change' | 'start' | 'remove' | 'none';
  /** The present spec; absent for a new one. */
  readonly spec?: number;
  /** It would get a new spec, and its instances would be restarted for it. */
  readonly newSpec: boolean;
  readonly fields: readonly FieldChange[];
  readonly instances: readonly PlannedInstance[];
}

/** One field that would change. */
export interface FieldChange {
  /** `run.image`, `scale.replicas` */
  readonly path: string;
  /** Absent: it isn't there. */
  readonly before?: unknown;
  readonly after?: unknown;
}

/** What would happen to one instance. */
export interface PlannedInstance {
  readonly key: InstanceKey;
  readonly workload: WorkloadName;
  /** What people read and type. */
  readonly instance: string;
  /** `wait`: nothing takes it. */
  readonly action: 'start' | 'stop' | 'restart' | 'move' | 'wait';
  readonly from?: NodeRef;
  readonly to?: NodeRef;
  readonly reason: string;
  /** While it waits: why each node can't take it. */
  readonly nodes: readonly { readonly node: NodeRef; readonly reason: string }[];
}
