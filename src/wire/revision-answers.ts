import type { InstanceKey, WorkloadName } from '../domain/ids.ts';
import type { RunSpec } from '../domain/spec.ts';
import type { DesiredAnswer } from './answers.ts';

/** One spec of a workload that is kept. */
export interface RevisionRow {
  /** The spec's number. */
  readonly spec: number;
  /** It's what the workload runs by now. */
  readonly present: boolean;
  readonly kind: RunSpec['kind'];
  /** Equal where two specs run the same. */
  readonly hash: string;
  /** When it was submitted: ISO 8601; absent where that wasn't noted. */
  readonly at?: string;
  readonly image?: string;
  readonly resolvedImage?: string;
  /** The earlier spec that it brought back. */
  readonly rollbackTo?: number;
}

/** `GET /v1/workloads/:name/revisions`: the last ten and all that something still runs by, oldest first. */
export interface RevisionsAnswer {
  readonly name: WorkloadName;
  readonly revisions: readonly RevisionRow[];
}

/** `GET /v1/workloads/:name/revisions/:number` */
export interface RevisionAnswer {
  readonly name: WorkloadName;
  readonly revision: RevisionRow;
  readonly run: RunSpec;
}

/** The body of `POST /v1/workloads/:name/scale`. */
export interface ScaleRequest {
  readonly replicas: number;
}

/** `POST /v1/workloads/:name/scale` */
export interface ScaleAnswer extends DesiredAnswer {
  readonly replicas: number;
}

/** `POST /v1/workloads/:name/restart` */
export interface RestartAnswer extends DesiredAnswer {
  /** The one that was named; absent: all, one after the other. */
  readonly instance?: InstanceKey;
}

/** The body of `POST /v1/workloads/:name/rollback`. */
export interface RollbackRequest {
  /** A spec's number; left out: the last one that differs from the present one. */
  readonly to?: number;
}

/** `POST /v1/workloads/:name/rollback` */
export interface RollbackAnswer extends DesiredAnswer {
  /** The spec that was brought back, under a new number. */
  readonly to: number;
}
