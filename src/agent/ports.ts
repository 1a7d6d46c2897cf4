import type { Kv } from '../etcd/port.ts';
import type { Host } from '../host/port.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import type { Runtime } from '../runtime/port.ts';

/** Everything outside the agent, so that a simulation can stand in for it. */
export interface Ports {
  readonly kv: Kv;
  readonly runtimes: readonly Runtime[];
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  /** 0…1, for jitter. */
  readonly random: () => number;
  /** A text that no other process has. */
  readonly makeNonce: () => string;
}
