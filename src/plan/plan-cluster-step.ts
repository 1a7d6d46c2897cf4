import type { InstanceKey, NodeId, WorkloadName } from '../domain/ids.ts';
import type { Assignment, InstanceRecord } from '../domain/spec.ts';

/** What kind of thing a step does, for people and logs. */
export type StepAction =
  | 'place'
  | 'adopt'
  | 'move'
  | 'replace'
  | 'reinstate'
  | 'update'
  | 'resume'
  | 'stop'
  | 'stop-to-move'
  | 'stop-superseded'
  | 'receipt'
  | 'wait'
  | 'tidy'
  | 'forget'
  | 'remove-workload';

/** One change of the store, in the words of the domain. */
export type StepWrite =
  | { readonly kind: 'put-assignment'; readonly node: NodeId; readonly key: InstanceKey; readonly value: Assignment }
  | { readonly kind: 'delete-assignment'; readonly node: NodeId; readonly key: InstanceKey }
  | { readonly kind: 'delete-status'; readonly node: NodeId; readonly key: InstanceKey }
  | { readonly kind: 'put-instance'; readonly key: InstanceKey; readonly value: InstanceRecord }
  | { readonly kind: 'delete-instance'; readonly key: InstanceKey }
  /** Its specs go with it. */
  | { readonly kind: 'delete-workload'; readonly name: WorkloadName };

/** What must still be as it was read: the mod revision; 0 means absent. */
export type StepGuard =
  | { readonly kind: 'workload'; readonly name: WorkloadName; readonly revision: number }
  | { readonly kind: 'instance'; readonly key: InstanceKey; readonly revision: number }
  | {
      readonly kind: 'assignment' | 'status';
      readonly node: NodeId;
      readonly key: InstanceKey;
      readonly revision: number;
    }
  | { readonly kind: 'presence' | 'record'; readonly node: NodeId; readonly revision: number }
  | { readonly kind: 'hold'; readonly revision: number };

/** All writes of one instance (or of a workload's end) with their guards: applied together or not at all. */
export interface Step {
  readonly action: StepAction;
  readonly workload: WorkloadName;
  readonly instance: InstanceKey | undefined;
  readonly from: NodeId | undefined;
  readonly to: NodeId | undefined;
  /** For people. */
  readonly reason: string;
  readonly guards: readonly StepGuard[];
  readonly writes: readonly StepWrite[];
}

/** Something that the planner left alone, and why. */
export interface PlanProblem {
  readonly workload: WorkloadName;
  readonly instance: InstanceKey | undefined;
  readonly reason: string;
}
