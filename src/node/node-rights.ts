import type { Compare } from '../etcd/port.ts';

/** What this process may do as its node; the registration keeps it up to date. */
export interface NodeRights {
  /** The presence is ours (clone or reboot is decided): before that nothing is started. Stays true while the store is away. */
  readonly isDecided: boolean;
  /** Proof for a write: presence as this process last wrote it; undefined while it isn't ours. */
  guard(): Compare | undefined;
  /** `stop` instances may start: the lease's deadline holds and, after a reboot, the twin's lease has run out. */
  maySafelyRun(): boolean;
  /** The fence: `stop` instances must end now. */
  isFenced(): boolean;
  /**
   * Monotonic: `stop` instances must be dead by then, SIGKILL included. Grows with each answered renewal, and with the handover to a
   * lease that outlives this process. Undefined until a lease was ours: then none may run.
   */
  readonly killAtMs: number | undefined;
  /** The cluster's epoch, a part of each fencing token; 0 until the settings have been read. */
  readonly epoch: number;
  /** False while the store may be an older one than this node has seen: then no order is acted on, what runs, runs on. */
  readonly isStoreTrusted: boolean;
}
