import type { InstanceKey, NodeId, Slot, WorkloadName } from '../domain/ids.ts';
import type { Drain, PresenceState } from '../domain/node.ts';
import type { Move, RuntimeKind, StoredSpec, Workload } from '../domain/spec.ts';
import type { Health, InstanceStatus, Phase, UnitState } from '../domain/status.ts';
import type { ProblemLine } from './problem.ts';

/** `GET /v1/version` */
export interface VersionAnswer {
  readonly version: string;
  readonly api: 'v1';
}

/** `GET /v1/node`; each line of `GET /v1/node/watch`: the node that answers. */
export interface NodeStateAnswer {
  readonly node: NodeId;
  readonly hostname: string;
  readonly cluster: string;
  readonly version: string;
  /** It has its presence in the cluster. */
  readonly joined: boolean;
  readonly leader: boolean;
  /** One line for people, as systemd shows it: what it is doing, or why it has not joined. */
  readonly status: string;
}

/** A node as others refer to it. */
export interface NodeRef {
  readonly id: NodeId;
  /** Its ID's first 8 digits while its record can't be read. */
  readonly hostname: string;
}

/** `GET /v1/cluster` */
export interface ClusterAnswer {
  readonly id: string;
  readonly leader?: NodeRef;
  /** Which leadership: grows with each new leader. */
  readonly term?: number;
  readonly nodes: { readonly known: number; readonly present: number };
  readonly workloads: number;
  readonly ttlMs?: number;
  readonly revision: number;
  readonly problems: readonly string[];
}

/** One line of `muster node ls`. */
export interface NodeRow {
  readonly id: NodeId;
  readonly hostname: string;
  /** `lost`: it has a record and no presence. */
  readonly state: PresenceState | 'lost';
  /** Since when, where the leader has noted it. */
  readonly lostSince?: string;
  readonly leader: boolean;
  readonly cordoned: boolean;
  readonly draining: boolean;
  /** How it's drained. */
  readonly drain?: Drain;
  /** Since when nothing was seen on it any more, where it's drained: ISO 8601. */
  readonly drainedSince?: string;
  /** An operator has said that it's gone for good: it's about to be forgotten. */
  readonly removing?: boolean;
  readonly advertise: string;
  readonly addresses: readonly string[];
  /** The node's own, overlaid by the operator's. */
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: { readonly cpus: number; readonly memoryBytes: number };
  readonly runtimes: Readonly<Partial<Record<RuntimeKind, string>>>;
  readonly agentVersion: string;
  readonly machineId: string;
  readonly bootId: string;
  /** Copies assigned to it. */
  readonly instances: number;
}

/** `GET /v1/nodes` */
export interface NodesAnswer {
  readonly nodes: readonly NodeRow[];
  /** Asks for the next page; absent on the last. */
  readonly next?: string;
  readonly problems: readonly string[];
}

/** `GET /v1/nodes/:id`: the ID, its first digits, or the hostname. */
export interface NodeAnswer {
  readonly node: NodeRow;
  readonly rows: readonly InstanceRow[];
  readonly problems: readonly string[];
}

/** One copy of an instance, or an instance that has none; a line of `muster ps`. */
export interface InstanceRow {
  /** Unique among rows: `<workload>/<slot>@<node>`, without `@…` when it's on none. */
  readonly id: string;
  readonly key: InstanceKey;
  readonly workload: WorkloadName;
  readonly slot: Slot;
  /** What people read and type: `web.0`, `hello@1.service`. */
  readonly display: string;
  readonly kind: 'container' | 'unit';
  readonly phase: Phase;
  readonly healthy: boolean;
  readonly health: Health;
  readonly node?: NodeRef;
  /** `superseded`: another copy has replaced it. `orphan`: runs there although nothing assigns it. Absent without a node. */
  readonly role?: 'current' | 'superseded' | 'orphan';
  /** It's installed and not started by muster: what runs of it was started by its socket, its timer or another unit. */
  readonly loaded?: boolean;
  /** The spec that this copy runs; absent while unknown. */
  readonly spec?: number;
  /** It runs the workload's present spec. */
  readonly upToDate: boolean;
  /** Why it's in this phase, in one line: what it waits for, what failed, what was last done to it. */
  readonly reason?: string;
  /** When this phase began: ISO 8601. */
  readonly since?: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly exitCode?: number;
  readonly restarts: number;
  readonly lastError?: string;
  readonly lastAction?: NonNullable<InstanceStatus['lastAction']>;
  readonly unit?: UnitState;
  readonly container?: { readonly id: string; readonly state: string };
  readonly pid?: number;
  readonly addresses?: readonly string[];
  /** `MUSTER_FENCING_TOKEN` of its last run. */
  readonly fencingToken?: string;
  /** Ports published on its node. */
  readonly ports?: readonly string[];
  /** A pull's or a start's progress, for people. */
  readonly progress?: string;
}

/** `GET /v1/instances?workload=&name=`; `name`: a workload's or an instance's name as people type it. */
export interface InstancesAnswer {
  readonly rows: readonly InstanceRow[];
  /** Asks for the next page; absent on the last. */
  readonly next?: string;
  readonly problems: readonly string[];
}

/** How far a workload is from what is desired. */
export interface WorkloadSummary {
  /** As desired: all wanted copies run the present spec and are healthy (or all are gone), and nothing else is left of it. */
  readonly converged: boolean;
  /** Not converged, and nothing is under way: each instance short of it is pending or failed, for a reason in `problems`. */
  readonly blocked: boolean;
  /** Instances that should run. Of a global workload: nodes that match. */
  readonly wanted: number;
  readonly running: number;
  readonly healthy: number;
  /** What is in the way, in words. */
  readonly problems: readonly { readonly instance: string; readonly phase: Phase; readonly text: string }[];
}

/** One line of `muster ls`. */
export interface WorkloadRow {
  readonly name: WorkloadName;
  readonly kind: 'container' | 'unit';
  readonly desired: Workload['desired'];
  readonly removing: boolean;
  readonly scale: Workload['scale'];
  readonly spec: number;
  readonly disconnect: Workload['disconnect']['mode'];
  readonly sticky: boolean;
  readonly createdAt: string;
  readonly changedAt: string;
  /** A container's labels. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly summary: WorkloadSummary;
}

/** `GET /v1/workloads` */
export interface WorkloadsAnswer {
  readonly workloads: readonly WorkloadRow[];
  /** Asks for the next page; absent on the last. */
  readonly next?: string;
  readonly problems: readonly string[];
}

/** One instance with all its copies and its history. */
export interface InstanceDetail {
  readonly key: InstanceKey;
  readonly display: string;
  readonly phase: Phase;
  readonly reason?: string;
  /** What has to happen next, in words; absent when nothing has. */
  readonly waitsFor?: string;
  /** While pending: why each node can't take it. */
  readonly nodes: readonly { readonly node: NodeRef; readonly reason: string }[];
  readonly rows: readonly InstanceRow[];
  readonly moves: readonly Move[];
}

/** `GET /v1/workloads/:name` */
export interface WorkloadAnswer {
  readonly name: WorkloadName;
  readonly workload: Workload;
  /** The present spec; absent when its record can't be read. */
  readonly spec?: StoredSpec;
  /** Numbers of the specs kept, oldest first. */
  readonly specs: readonly number[];
  readonly summary: WorkloadSummary;
  readonly instances: readonly InstanceDetail[];
  readonly problems: readonly string[];
}

/** `GET /v1/workloads/:name/explain` */
export interface ExplainAnswer {
  readonly name: WorkloadName;
  readonly desired: Workload['desired'];
  readonly removing: boolean;
  readonly summary: WorkloadSummary;
  readonly instances: readonly InstanceDetail[];
  readonly problems: readonly string[];
}

/** `PUT /v1/workloads/:name` */
export interface ApplyAnswer {
  readonly name: WorkloadName;
  /** The spec's number. Unique to this run part: never reused for a workload of the same name. */
  readonly spec: number;
  readonly created: boolean;
  /** False: all was so already, nothing was written. */
  readonly changed: boolean;
  /** It was stopped or being removed and is now to run. */
  readonly started: boolean;
  /** The store's revision that has it. */
  readonly revision: number;
  readonly warnings: readonly string[];
}

/** The body of `POST /v1/apply`: each document as an apply of its own takes it, no name twice. */
export interface ApplyAllRequest {
  readonly documents: readonly unknown[];
}

/** `POST /v1/apply`: what became of each document, in their order. One that is refused holds up no other. */
export interface ApplyAllAnswer {
  readonly outcomes: readonly (ApplyAnswer | ProblemLine)[];
}

/** `POST /v1/workloads/:name/stop|start`, `DELETE /v1/workloads/:name` */
export interface DesiredAnswer {
  readonly name: WorkloadName;
  /** The present spec. */
  readonly spec: number;
  readonly desired: Workload['desired'];
  readonly removing: boolean;
  readonly changed: boolean;
  readonly revision: number;
}

/**
 * A line of `GET /v1/workloads/:name/watch` and `POST /v1/watch`: a workload now. The first per workload has all its rows,
 * later ones those that changed since. States that follow each other quickly may be told as one.
 */
export interface WatchFrame {
  readonly workload: WorkloadName;
  /** Its record is gone (or never was). */
  readonly gone: boolean;
  readonly desired?: Workload['desired'];
  readonly removing?: boolean;
  readonly spec?: number;
  readonly summary: WorkloadSummary;
  readonly rows: readonly InstanceRow[];
  /** Row IDs that are no more. */
  readonly removed: readonly string[];
}

/** A line of `GET /v1/changes`: something has changed. */
export interface ChangeFrame {
  /** The store's revision; absent while it does not answer. */
  readonly revision?: number;
}

/** `POST /v1/watch` */
export interface WatchRequest {
  readonly names: readonly WorkloadName[];
}
