import type { WorkloadName } from '../domain/ids.ts';
import type { HoldKind, StoreLine } from '../domain/node.ts';
import type { NodeRef, NodeRow, NodeStateAnswer, WorkloadSummary } from './answers.ts';

/** `GET /v1/status`: what matters of the cluster, on one screen. */
export interface StatusAnswer {
  readonly id: string;
  /** The node that answers. */
  readonly node: NodeStateAnswer;
  /** As the node that answers sees it. */
  readonly etcd: StoreState;
  /** How it has done of late; absent where the agent doesn't say. */
  readonly store?: StoreHealthState;
  /** Absent, as all that follows, while etcd doesn't answer. */
  readonly cluster?: ClusterStatus;
}

/** What an agent knows of etcd. */
export type StoreState =
  | {
      readonly answers: true;
      readonly tookMs: number;
      /** In decimal. */
      readonly clusterId: string;
      readonly raftTerm: number;
      readonly revision: number;
    }
  | { readonly answers: false; readonly reason: string };

/** How the store has done of late, as the node that answers sees it. */
export interface StoreHealthState {
  readonly state: 'unknown' | 'good' | 'unavailable' | 'refusing' | 'full' | 'slow' | 'in-doubt';
  /** ISO 8601. */
  readonly since: string;
  /** The last failure, also one that is over. */
  readonly lastError?: string;
  /** One line: what that means. */
  readonly text: string;
}

/** The cluster as it's stored. */
export interface ClusterStatus {
  readonly leader?: NodeRef;
  readonly term?: number;
  readonly ttlMs?: number;
  readonly nodes: Readonly<Record<NodeRow['state'], number>>;
  /** Nodes that are not simply there. */
  readonly unusual: readonly NodeStatus[];
  readonly holds: readonly HoldStatus[];
  readonly workloads: { readonly known: number; readonly asDesired: number };
  readonly instances: { readonly wanted: number; readonly healthy: number };
  /** What isn't as desired, and why. */
  readonly short: readonly { readonly workload: WorkloadName; readonly summary: WorkloadSummary }[];
  readonly problems: readonly string[];
}

/** A node that isn't simply there, and why. */
export interface NodeStatus {
  readonly node: NodeRef;
  readonly state: NodeRow['state'];
  readonly lostSince?: string;
  /** In words: what it doubts, until when it's held, from when on it gets new work. */
  readonly why?: string;
}

/** Something that the leader leaves undone for a while. */
export interface HoldStatus {
  readonly kind: HoldKind;
  readonly since: string;
  readonly until: string;
  readonly reason: string;
  readonly nodes: readonly NodeRef[];
}

/** `POST /v1/cluster/release-hold` */
export interface ReleaseHoldAnswer {
  readonly released: readonly HoldStatus[];
}

/** `GET /v1/cluster/doubts`, `POST /v1/cluster/confirm-restore` */
export interface StoreDoubtsAnswer {
  readonly doubts: readonly { readonly node: NodeRef; readonly reason: string }[];
  /** Where the store is now. */
  readonly store: StoreLine;
  /** The epoch that ends the doubts. */
  readonly epoch: number;
}
