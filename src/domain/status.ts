import type { InstanceKey } from './ids.ts';
import type { DisconnectMode } from './spec.ts';

export type Phase =
  | 'pending'
  | 'pulling'
  | 'starting'
  | 'running'
  | 'stopping'
  | 'stopped'
  | 'failed'
  | 'orphan'
  | 'lost';

/** `starting` and `unhealthy` come from a health check; `none`: it has none, so running for 3 s is healthy. */
export type Health = 'starting' | 'healthy' | 'unhealthy' | 'none';

/** systemd's three words for a unit, verbatim. */
export interface UnitState {
  readonly load: string;
  readonly active: string;
  readonly sub: string;
}

/** Without a health check, an instance is healthy once it has run for this long. */
export const HEALTHY_AFTER_MS = 3_000;

/** What a runtime shows of one instance that it owns. */
export interface ObservedInstance {
  readonly key: InstanceKey;
  /** The hash it was created with, from its label or record. */
  readonly specHash: string;
  readonly disconnect: DisconnectMode;
  readonly phase: 'starting' | 'running' | 'stopping' | 'stopped' | 'failed';
  readonly health: Health;
  /**
   * False only for what was made but never told to start (a crash in between): it's to be started. Kept durably by the runtime:
   * a unit that ended and that systemd has forgotten since was started all the same.
   */
  readonly everStarted: boolean;
  /** How long it has been running, as of this observation. 0 when it isn't. */
  readonly runningForMs: number;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly exitCode?: number;
  /** Restarts made by the runtime itself (systemd's NRestarts); the agent's own are counted by the agent. */
  readonly runtimeRestarts: number;
  /** True where the runtime restarts it by itself (systemd's Restart=): then the agent doesn't. */
  readonly restartsItself: boolean;
  readonly error?: string;
  readonly unit?: UnitState;
  readonly container?: { readonly id: string; readonly state: string };
  readonly pid?: number;
  readonly addresses?: readonly string[];
}

/** `status/<node>/<workload>/<slot>`: the receipt that answers an order. */
export interface InstanceStatus {
  /** Mod revision of the assignment it answers; 0 for an orphan. */
  readonly assignmentRevision: number;
  readonly spec: number;
  /** The ordered restart that its order is of; absent: none. */
  readonly restart?: number;
  readonly phase: Phase;
  /** It's installed as ordered, and not started by us: what runs of it was started by its socket, its timer or another unit. */
  readonly loaded?: true;
  readonly healthy: boolean;
  readonly health: Health;
  /** When this phase began: ISO 8601. */
  readonly since: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly exitCode?: number;
  readonly restarts: number;
  /** How many of its runs and starts have failed in a row, since it last ran well for long. Absent: none. */
  readonly failures?: number;
  /** It has failed, and nothing restarts it here any more. */
  readonly gaveUp?: boolean;
  readonly lastError?: string;
  /** What was last done to it, and why. */
  readonly lastAction?: { readonly kind: string; readonly reason: string; readonly at: string };
  readonly unit?: UnitState;
  readonly container?: { readonly id: string; readonly state: string };
  readonly pid?: number;
  readonly addresses?: readonly string[];
  /** `MUSTER_FENCING_TOKEN` of its last run. */
  readonly fencingToken?: string;
  /** The boot of the machine in which this was seen: once it has booted anew, nothing of what ran then need run. */
  readonly bootId?: string;
  /** A pull's or a start's progress, for people. */
  readonly progress?: string;
}
