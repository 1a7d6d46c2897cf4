import type { StoreView } from '../cluster/desired-read.ts';
import type { StoreHealth } from '../cluster/store-health.ts';
import type { NodeId } from '../domain/ids.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import type { Runtime } from '../runtime/port.ts';
import type { Peers } from './peers.ts';

/** What the node that answers stands at. */
export interface LocalState {
  readonly joined: boolean;
  readonly leader: boolean;
  /** One line for people: what it is doing, or why it has not joined. */
  readonly text: string;
  /** How etcd does, as this node sees it. */
  readonly store?: StoreHealth;
}

/** The node that answers. */
export interface LocalNode {
  readonly id: NodeId;
  readonly hostname: string;
  state(): LocalState;
  /** Calls after each change of the state; returns the cancel. */
  onChange(listener: () => void): () => void;
}

/** Everything that the API needs. */
export interface ApiDeps {
  readonly cluster: string;
  readonly version: string;
  readonly store: StoreView;
  readonly node: LocalNode;
  /** Only to read logs and to resolve images: what runs is the node's business. */
  readonly runtimes: readonly Pick<Runtime, 'kind' | 'logs' | 'resolveImage'>[];
  /** Absent where this node has no API over TCP: then what is elsewhere can't be asked for. */
  readonly peers?: Peers;
  readonly clock: Clock;
  readonly log: Log;
}
