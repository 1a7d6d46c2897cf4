import type { NodeId } from '../domain/ids.ts';

/** Who this machine is. */
export interface HostIdentity {
  readonly nodeId: NodeId;
  /** /etc/machine-id, raw. */
  readonly machineId: string;
  /** /proc/sys/kernel/random/boot_id. In a lab's node that shares the host's kernel: of the container's own boot. */
  readonly bootId: string;
  readonly productUuid?: string;
  readonly hostname: string;
}

/** The machine the agent runs on. */
export interface Host {
  /** `INVALID_INPUT` when the machine has no usable machine ID. */
  identity(): Promise<HostIdentity>;
  capacity(): Promise<{ readonly cpus: number; readonly memoryBytes: number }>;
  /** Addresses of its interfaces, loopback and Docker's bridges left out. */
  addresses(): readonly string[];
  /** sd_notify(3): `READY=1`, `STATUS=…`, `WATCHDOG=1`, `STOPPING=1`. Does nothing when not started by systemd. Never rejects. */
  notify(lines: readonly string[]): Promise<void>;
  /** How often systemd wants `WATCHDOG=1`, halved; undefined without a watchdog. */
  readonly watchdogIntervalMs: number | undefined;
  /** Gives memory that is free back to the machine, as far as that's possible here. */
  releaseMemory(): Promise<void>;
  /** True once systemd's manager is `stopping`: the machine goes down, not just the agent. */
  isShuttingDown(signal: AbortSignal): Promise<boolean>;
  readonly deadMansSwitch: DeadMansSwitch;
  readonly stateFiles: StateFiles;
}

/** What must outlive a reboot: one text a name (a-z, 0-9, `-`), on this machine's disk. */
export interface StateFiles {
  /**
   * What was last written, whole; undefined when nothing was. What can't be relied on (torn, altered, of a later version) is set
   * aside, reported and undefined. `UNAVAILABLE` while the disk can't be read.
   */
  read(name: string): Promise<string | undefined>;
  /** Replaces it; after a crash at any moment it is wholly the old or wholly the new. `UNAVAILABLE` when the disk refuses. */
  write(name: string, text: string): Promise<void>;
  /** For a reader to whom it makes no sense though it is whole: moves it out of the way and reports it. Never rejects. */
  setAside(name: string, problem: string): Promise<void>;
}

/** Ends this node's `stop` instances when nobody re-arms it in time; held by systemd, not by this process. */
export interface DeadMansSwitch {
  /**
   * Lets `stop` instances start, and sees to it that they are dead at `killAtMs` (monotonic) unless it's armed anew. Idempotent; only
   * the first call after closing costs D-Bus calls. Rejects with `UNAVAILABLE` where the machine can't promise it: then nothing
   * of them may start.
   */
  open(killAtMs: number, signal: AbortSignal): Promise<void>;
  /** A later time. Synchronous and cheap; false when the switch isn't there any more: it has fired or was never open. */
  rearm(killAtMs: number): boolean;
  /** No `stop` instance is on the node any more: it needn't fire. */
  disarm(): void;
  /** Whether `stop` instances may start: open and not fired, as far as this process knows. */
  readonly isOpen: boolean;
  /** Lets go of it; what is armed stays armed. */
  close(): void;
}
