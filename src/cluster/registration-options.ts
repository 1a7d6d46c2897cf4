import type { NodeId } from '../domain/ids.ts';
import type { ClusterSettings, NodeRecord } from '../domain/node.ts';
import type { Kv, LeaseId } from '../etcd/port.ts';
import type { LeaseSplit, Session } from '../etcd/session.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import type { NewCluster } from './cluster-settings.ts';
import type { Layout } from './layout.ts';
import type { LineFiles } from './store-line-file.ts';
import type { TakenPresence } from './take-presence.ts';

/** Where this node stands with its cluster, for people and programs. `in-doubt`: present, but it acts on nothing the store says. */
export interface RegistrationState {
  readonly kind: 'joining' | 'joined' | 'in-doubt' | 'refused' | 'leaving';
  /** One line: what it waits for, or why it was refused. */
  readonly text: string;
}

/** The lease that presence is bound to, as far as it tells of itself. */
export type Lease = Pick<Session, 'ttlMs' | 'lastRenewedSentAtMs' | 'fenceAtMs'>;

/** While it's ours: one lease, one presence. */
export interface Membership {
  readonly leaseId: LeaseId;
  readonly settings: ClusterSettings;
  readonly how: TakenPresence['how'];
}

export interface RegistrationOptions {
  readonly kv: Kv;
  readonly layout: Layout;
  readonly node: NodeId;
  /** Random, new for each agent process. */
  readonly nonce: string;
  readonly makeRecord: (signal: AbortSignal) => Promise<NodeRecord>;
  readonly defaults: Omit<NewCluster, 'epoch'>;
  /** How the lease's time is split; {@link defaultLeaseSplit} when left out. */
  readonly split?: LeaseSplit;
  /** Where it's kept how far the store had come. */
  readonly files: LineFiles;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** Presence, deadline or state have changed. */
  readonly onChange: () => void;
  /** `killAtMs` has moved: at each answered renewal, each few seconds, and without any other change. */
  readonly onRenewed: () => void;
  /** Runs for as long as presence is ours and the store is trusted; its signal aborts when that ends. */
  readonly whileMember: (membership: Membership, signal: AbortSignal) => Promise<void>;
}
