import type { Kv } from '../etcd/port.ts';
import type { Host } from '../host/port.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import type { Runtime } from '../runtime/port.ts';

/** Which of the store's endpoints is in use. */
export interface EndpointsInUse {
  /** Undefined until one has answered. */
  readonly current: string | undefined;
  readonly changes: number;
}

/** Everything outside the agent, so that a simulation can stand in for it. */
export interface Ports {
  readonly kv: Kv;
  /** The endpoint of the store in use, and how often it has changed; absent where there are none. */
  readonly endpoints?: EndpointsInUse;
  readonly runtimes: readonly Runtime[];
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  /** 0…1, for jitter. */
  readonly random: () => number;
  /** A text that no other process has. */
  readonly makeNonce: () => string;
}
