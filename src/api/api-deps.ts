import type { StoreView } from '../cluster/desired-read.ts';
import type { StoreHealth } from '../cluster/store-health.ts';
import type { NodeId } from '../domain/ids.ts';
import type { RuntimeKind } from '../domain/spec.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import type { Runtime } from '../runtime/port.ts';
import type { BodyBudgets } from './body-budget.ts';
import type { CertificateSigner } from './certificate-signer.ts';
import type { RecentStops } from './fleet/recent-stops.ts';
import type { HeavyWork } from './heavy-work.ts';
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

/** Whether the agent that answers does its work, for whoever watches over it. */
export interface LocalHealth {
  /** False: a pass has hung for so long that systemd is about to end the agent. */
  readonly isAlive: boolean;
  /** Every runtime has been asked, and has answered or kept silent for some seconds. */
  readonly hasObserved: boolean;
  /** Why a runtime could not be read when it was last looked at. */
  readonly unreadable: ReadonlyMap<RuntimeKind, string>;
}

/** A request that was answered; a stream: that has begun. */
export interface AnsweredRequest {
  readonly method: string;
  /** The route's path with its parameters as they are named, never as they are given. */
  readonly route: string;
  readonly status: number;
  readonly tookMs: number;
}

/** Where requests are counted, and what is counted is read. */
export interface ApiMetrics {
  answered(request: AnsweredRequest): void;
  /** How many streams are open, to be asked whenever metrics are read. */
  watchStreams(count: () => number): void;
  /** Everything that is counted, in Prometheus' text format. */
  expose(): Promise<{ readonly type: string; readonly text: string }>;
}

/** What the API asks of a runtime. */
export type ApiRuntime = Pick<Runtime, 'kind' | 'logs' | 'resolveImage'> & Partial<Pick<Runtime, 'exec' | 'usage'>>;

/** Everything that the API needs. */
export interface ApiDeps {
  readonly cluster: string;
  readonly version: string;
  readonly store: StoreView;
  readonly node: LocalNode;
  /** Only to read logs and figures, to run commands beside instances and to resolve images: what runs is the node's business. */
  readonly runtimes: readonly ApiRuntime[];
  /** Absent where this node has no API over TCP: then what is elsewhere can't be asked for. */
  readonly peers?: Peers;
  /** Where this node has the CA's key. */
  readonly certificates?: CertificateSigner;
  /** Absent: taken to be well. */
  readonly health?: () => LocalHealth;
  /** Absent: nothing is counted. */
  readonly metrics?: ApiMetrics;
  /** What fleet's clients have just had stopped; the API keeps it itself. */
  readonly recentStops?: RecentStops;
  /** What is held to so much at once; the API keeps it itself. */
  readonly heavy?: HeavyWork;
  /** In which bodies find room; the API keeps them itself. */
  readonly bodies?: BodyBudgets;
  readonly clock: Clock;
  readonly log: Log;
}
