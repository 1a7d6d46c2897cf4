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
}
