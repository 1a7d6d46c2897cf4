import type { NodeId } from './ids.ts';

/** A port published on the node. */
export interface PortMapping {
  readonly hostIp?: string;
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: 'tcp' | 'udp';
}

/** What is mounted into a container. `source`: a host path for `bind`, a volume's name for `volume`. */
export type Mount =
  | { readonly type: 'bind'; readonly source: string; readonly target: string; readonly readOnly: boolean }
  | { readonly type: 'volume'; readonly source: string; readonly target: string; readonly readOnly: boolean }
  | { readonly type: 'tmpfs'; readonly target: string; readonly sizeBytes?: number };

/** Docker's health check (Engine API, `HealthConfig`). `test`: argv run in the container, or a shell line. */
export interface HealthCheck {
  readonly test: { readonly exec: readonly string[] } | { readonly shell: string };
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly startPeriodMs: number;
}

/** The immutable run part of a container workload. */
export interface ContainerSpec {
  readonly kind: 'container';
  readonly image: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly PortMapping[];
  readonly mounts: readonly Mount[];
  readonly networkMode?: string;
  readonly user?: string;
  readonly workingDir?: string;
  readonly hostname?: string;
  readonly memoryBytes?: number;
  readonly cpus?: number;
  readonly stopSignal?: string;
  readonly stopGraceMs: number;
  readonly healthCheck?: HealthCheck;
  readonly readOnlyRoot: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  /** `host:address`, as Docker's `ExtraHosts`. */
  readonly extraHosts: readonly string[];
  readonly logging: { readonly driver: string; readonly options: Readonly<Record<string, string>> };
}

/** The immutable run part of a unit workload: the text of the unit file, byte for byte. */
export interface UnitSpec {
  readonly kind: 'unit';
  readonly text: string;
}

export type RunSpec = ContainerSpec | UnitSpec;

/** `specs/<name>/<number>`. A compared hash is the stored string, never recomputed. */
export interface StoredSpec {
  readonly number: number;
  readonly hash: string;
  readonly run: RunSpec;
  /** `repository@sha256:…`, resolved once when it was submitted; absent when that was not possible. */
  readonly resolvedImage?: string;
  /** When it was submitted: ISO 8601, UTC. */
  readonly at?: string;
  /** What placement was told of it; absent: what its run part says. */
  readonly needs?: Needs;
  /** The number of the spec that it brought back. */
  readonly rollbackTo?: number;
}

/** What placement must know of a spec, kept in the workload's record so that the leader reads no specs. */
export interface Needs {
  readonly runtime: RuntimeKind;
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly ports: readonly { readonly hostIp?: string; readonly port: number; readonly protocol: 'tcp' | 'udp' }[];
  /** Named local volumes; having one makes the instance sticky by default. */
  readonly volumes: readonly string[];
}

export type RuntimeKind = 'systemd' | 'docker';

/** Where a workload may run. All of it must hold. Names and globs match units' names, and display names of containers. */
export interface Placement {
  /** Raw machine IDs or node IDs, whole or their first 8 digits; empty: any. */
  readonly machineIds: readonly string[];
  /** The instance must share the node with an instance of each of these names. */
  readonly machineOf: readonly string[];
  /** Each label must have one of its values. */
  readonly labels: readonly { readonly key: string; readonly values: readonly string[] }[];
  /** Globs (path.Match): no other instance that matches may share the node; holds in both directions. */
  readonly conflicts: readonly string[];
  /** Globs: an instance that matches is moved away from the node that this one takes. */
  readonly replaces: readonly string[];
}

export type DisconnectMode = 'keep' | 'stop';

/** Which copy of a `keep` instance survives when the node that was lost is back with the older one. */
export type ReturnChoice = 'keep-replacement' | 'keep-original' | 'longest-running';

/** What becomes of an instance whose node can't be reached. */
export interface DisconnectPolicy {
  /** `keep` runs on while its node is cut off; `stop` has ended before the node's lease can have. */
  readonly mode: DisconnectMode;
  /** How long after its node counts as lost another copy is started; `never`: an operator decides. Absent: at once. */
  readonly replaceAfterMs?: number | 'never';
  /** For `keep`. Absent: `keep-replacement`. */
  readonly onReturn?: ReturnChoice;
}

/** When an instance that keeps failing on its node is tried on another. */
export interface ReschedulePolicy {
  /** So many restarts in a row have failed there first. */
  readonly afterRestarts: number;
  /** Between the first two moves; doubles from move to move. */
  readonly delayMs: number;
  readonly maxDelayMs: number;
}

/** `workloads/<name>`: what is desired of a workload; scale and placement are not part of the spec's hash. */
export interface Workload {
  readonly spec: number;
  readonly scale: { readonly kind: 'replicas'; readonly replicas: number } | { readonly kind: 'global' };
  readonly desired: 'run' | 'stop';
  /**
   * False, for units: its instances are placed and installed, and what starts them is a socket, a timer or another unit. Absent: they
   * are started.
   */
  readonly launch?: false;
  readonly placement: Placement;
  readonly disconnect: DisconnectPolicy;
  /** A `keep` instance starts again after a reboot though the store doesn't answer. Absent: false. */
  readonly offlineStart?: boolean;
  /** Absent: `DEFAULT_RESCHEDULE`. */
  readonly reschedule?: ReschedulePolicy | 'never';
  /** How an instance moves: `start-first` starts the new copy before the old one is stopped. */
  readonly moveOrder: 'start-first' | 'stop-first';
  /** Waits for its node rather than starting elsewhere without its data. */
  readonly sticky: boolean;
  readonly needs: Needs;
  /** When it was first applied and last changed: ISO 8601, UTC. */
  readonly createdAt: string;
  readonly changedAt: string;
  /** Set while it's being removed: its record goes when its last instance has. */
  readonly removing?: boolean;
  /** Restarts that were ordered, by numbers that grow: the last of all instances, and later ones of single slots. */
  readonly restart?: { readonly all?: number; readonly slots: Readonly<Record<string, number>> };
  /** A container's labels, so that listings can choose by them. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** `assignments/<node>/<workload>/<slot>`: the order binding an instance to a node. Its key's mod revision names it. */
export interface Assignment {
  readonly order: 'run' | 'stop';
  readonly spec: number;
  readonly disconnect: DisconnectMode;
  /** The node may start it after a reboot before the store has answered. Absent: false. */
  readonly offlineStart?: boolean;
  /** Why the leader ordered it, for people. */
  readonly reason: string;
  readonly at: string;
  /** Another copy has replaced it while its node was lost. */
  readonly superseded?: boolean;
  /** Which ordered restart it is of; absent: none. */
  readonly restart?: number;
  /** With the order `run`: it's installed, and not started. Absent: it's started. */
  readonly launch?: false;
}

/** One step in an instance's history. */
export interface Move {
  readonly at: string;
  readonly from?: NodeId;
  readonly to?: NodeId;
  readonly reason: string;
}

/** A copy in an instance's record. */
export interface InstanceCopy {
  readonly node: NodeId;
  readonly role: 'current' | 'superseded';
  /** Its node went away, and it was replaced: when the node is back, `onReturn` chooses between the two. */
  readonly lost?: boolean;
}

/** How an instance has fared that keeps failing. */
export interface Failing {
  /** How often it was moved for that: the delay before the next time grows with it. */
  readonly moves: number;
  /** When it was last moved: ISO 8601. */
  readonly at: string;
  /** Where it failed, the latest last. */
  readonly nodes: readonly NodeId[];
}

/** `instances/<workload>/<slot>`: the leader's record of one instance. */
export interface InstanceRecord {
  /** Set while no node could be found: why, node by node. */
  readonly pending?: {
    readonly since: string;
    readonly reason: string;
    readonly nodes: Readonly<Record<string, string>>;
  };
  readonly copies: readonly InstanceCopy[];
  /** Where it last ran: a sticky instance waits for this node. */
  readonly lastNode?: NodeId;
  /** Set while it's moved from node to node since it keeps failing; cleared when it has been well for long. */
  readonly failing?: Failing;
  /** The last 10, oldest first. */
  readonly moves: readonly Move[];
}
