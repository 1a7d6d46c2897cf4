import { type InstanceKey, makeInstanceKey, type NodeId, type Slot, type WorkloadName } from '../domain/ids.ts';
import type { NodeRecord, NodeSettings, NodeVerdict, Presence } from '../domain/node.ts';
import type { Assignment, InstanceRecord, Workload } from '../domain/spec.ts';
import type { InstanceStatus } from '../domain/status.ts';
import type { CopyView, InstanceView, NodeView, Versioned, WorkloadView } from '../plan/cluster-view.ts';

/** The views that the planner reads, as the leader keeps them up to date. */

export interface CopyEntry extends CopyView {
  assignment: Versioned<Assignment> | undefined;
  status: Versioned<InstanceStatus> | undefined;
}

export interface InstanceEntry extends InstanceView {
  record: Versioned<InstanceRecord> | undefined;
  readonly copies: Map<NodeId, CopyEntry>;
  readonly unreadable: Set<string>;
}

export interface WorkloadEntry extends WorkloadView {
  workload: Versioned<Workload> | undefined;
  unreadable: boolean;
  readonly instances: Map<Slot, InstanceEntry>;
  /** Instances whose record says that they wait. */
  readonly pending: Set<Slot>;
}

/** One node; its settings and record as they were last written. */
export class NodeEntry implements NodeView {
  readonly id: NodeId;
  readonly copies = new Map<InstanceKey, CopyEntry>();
  presence: Versioned<Presence> | undefined;
  /** Of what is stored as its record, verdict and settings; 0: nothing is. Each registration writes the record anew. */
  recordRevision = 0;
  verdictRevision = 0;
  settingsRevision = 0;
  /** The record's, when it was last seen to be absent. Another one since: it came and went unseen. */
  absentRecordRevision: number | undefined;
  /** What its presence is bound to. */
  leaseId = '0';
  /** An earlier leader's word, or this one's. */
  verdict: NodeVerdict | undefined;
  /** It said that it shuts down before it went: no flapping. */
  leftInOrder = false;
  isHeld = false;
  /** Gone for so long that it's lost, whether that is held or not. */
  isGone = false;
  calm: NodeView['calm'];
  /** Monotonic; undefined until the verdict has been looked at. */
  calmEndsAtMs: number | undefined;
  absentForMs: number | undefined;
  trustAbsenceInMs = 0;
  /** Whose presence was last seen; empty: nobody's. Undefined: it hasn't been looked at. */
  seenNonce: string | undefined;
  /** Monotonic: when its agent was last seen to come, or another process to take its place. */
  arrivedAtMs = Number.NEGATIVE_INFINITY;
  reportsInMs = 0;
  /** Its agent is away, or was when its presence went: since that revision, and by when the lease that it left has run out. */
  handover: { readonly revision: number; readonly untilMs: number } | undefined;
  stopsEndInMs = 0;
  ttlMs: number;
  /** How lost it was when that was last looked at: 0 not, 1 for `keep`, 2 for `stop` instances too. */
  lossLevel = 0;
  #record: NodeRecord | undefined;
  #settings: NodeSettings | 'unreadable' | undefined;
  #labels: Readonly<Record<string, string>> = {};

  constructor(id: NodeId, ttlMs: number) {
    this.id = id;
    this.ttlMs = ttlMs;
  }

  /** What was seen of it before the store was listed anew. */
  recall(known: NodeEntry): void {
    this.leftInOrder = known.leftInOrder;
    this.handover = known.handover;
    this.absentRecordRevision = known.absentRecordRevision;
    this.seenNonce = known.seenNonce;
    this.arrivedAtMs = known.arrivedAtMs;
  }

  /** Declared lost in the store. */
  get hasVerdict(): boolean {
    return this.verdict?.lostSince !== undefined;
  }

  /** The same, and it hasn't registered since. */
  get isStillLost(): boolean {
    return this.hasVerdict && this.verdictRevision > this.recordRevision;
  }

  get lostSince(): string | undefined {
    return this.verdict?.lostSince;
  }

  /** How long the lease lasts that its agent left behind; 0: it left none; undefined: nobody knows. */
  get handoverMs(): number | undefined {
    return this.#record === undefined ? undefined : (this.#record.handoverMs ?? 0);
  }

  /** It has registered, now or ever. */
  get isKnown(): boolean {
    return this.#record !== undefined;
  }

  get name(): string {
    return this.#record?.hostname ?? this.id.slice(0, 8);
  }

  /** Undefined also while the settings can't be read: nothing is placed on such a node, and nothing leaves it. */
  get record(): NodeRecord | undefined {
    return this.#settings === 'unreadable' ? undefined : this.#record;
  }

  get settings(): NodeSettings {
    return this.#settings === undefined || this.#settings === 'unreadable' ? noSettings : this.#settings;
  }

  get removal(): NodeView['removal'] {
    const { removal } = this.settings;
    return removal === undefined || this.hasReturned ? undefined : { force: removal.force === true };
  }

  /** It's there, or has been since its settings were written: whatever they say of its end. */
  get hasReturned(): boolean {
    return this.presence !== undefined || this.recordRevision > this.settingsRevision;
  }

  get labels(): Readonly<Record<string, string>> {
    return this.#labels;
  }

  setRecord(record: NodeRecord | undefined): void {
    this.#record = record;
    this.#mergeLabels();
  }

  setSettings(settings: NodeSettings | 'unreadable' | undefined): void {
    this.#settings = settings;
    this.#mergeLabels();
  }

  #mergeLabels(): void {
    this.#labels = { ...this.#record?.labels, ...this.settings.labels };
  }
}

const noSettings: NodeSettings = { cordoned: false, draining: false, labels: {} };

export function makeWorkloadEntry(name: WorkloadName): WorkloadEntry {
  return { name, workload: undefined, unreadable: false, instances: new Map(), pending: new Set() };
}

export function makeInstanceEntry(name: WorkloadName, slot: Slot): InstanceEntry {
  return { key: makeInstanceKey(name, slot), slot, record: undefined, copies: new Map(), unreadable: new Set() };
}
