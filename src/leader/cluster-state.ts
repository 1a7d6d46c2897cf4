import type { Codec } from '../cluster/codec.ts';
import {
  assignmentCodec,
  holdCodec,
  instanceCodec,
  nodeRecordCodec,
  nodeSettingsCodec,
  nodeVerdictCodec,
  presenceCodec,
  statusCodec,
  workloadCodec,
} from '../cluster/codecs.ts';
import { type Layout, parseInstancePath, parseNodeInstancePath, parseNodeKey } from '../cluster/layout.ts';
import type { Mirror } from '../cluster/mirror.ts';
import { type NodeId, parseWorkloadName, splitInstanceKey, type WorkloadName } from '../domain/ids.ts';
import type { Hold, Presence } from '../domain/node.ts';
import type { Workload } from '../domain/spec.ts';
import type { ClusterView, Versioned } from '../plan/cluster-view.ts';
import { Attendance } from './attendance.ts';
import { Dirty } from './dirty.ts';
import type { LossClock } from './loss-clock.ts';
import {
  ageAbsent,
  ageArrival,
  ageCalm,
  ageLeaving,
  type Braking,
  noBrake,
  noteAbsent,
  notePresent,
} from './node-times.ts';
import { type InstanceEntry, NodeEntry, type WorkloadEntry } from './state-entries.ts';
import { StateIndex } from './state-index.ts';

export interface ClusterStateOptions {
  readonly layout: Layout;
  readonly ttlMs: number;
  readonly lossClock: LossClock;
  /** No calm lasts longer, whatever the clock of the leader that began it. */
  readonly calmAtMostMs?: number;
  /** A node whose presence nobody has seen go, and whose record can't be read, may have been left by its agent for so long. */
  readonly agentAwayMs?: number;
  /** A key or a value that isn't ours to understand: it's left alone. */
  readonly onUnreadable: (key: string, error: unknown) => void;
}

type Entries = Mirror['entries'];
type Stored = Entries extends ReadonlyMap<string, infer Value> ? Value : never;

/** The leader's decoded view: kept up to date key by key, with the workloads that each change touches. */
export class ClusterState {
  readonly #options: ClusterStateOptions;
  readonly #dirty = new Dirty();
  #index: StateIndex;
  readonly attendance = new Attendance();
  /** As it's stored; `value` is undefined where it can't be read. */
  hold: { readonly value: Hold | undefined; readonly revision: number } | undefined;
  #touched = new Set<NodeEntry>();
  /** Room or company on some node has changed: what waits for either is looked at again. */
  #roomChanged = false;
  /** Some node is another than before: what runs on each node is looked at again. */
  #nodesChanged = false;

  constructor(options: ClusterStateOptions) {
    this.#options = options;
    this.#index = new StateIndex((id) => this.#meetNode(id, new Map()));
  }

  get nodes(): ReadonlyMap<NodeId, NodeEntry> {
    return this.#index.nodes;
  }

  get workloads(): ReadonlyMap<WorkloadName, WorkloadEntry> {
    return this.#index.workloads;
  }

  /** True for keys that this state reads. */
  reads(key: string): boolean {
    const { nodes, workloads, instances, assignments, statuses, holds } = this.#options.layout;
    return [holds, nodes, workloads, instances, assignments, statuses].some((range) => key.startsWith(range));
  }

  /** Takes over what has changed. */
  absorb(entries: Entries, changed: ReadonlySet<string> | 'all', nowMs: number): void {
    if (changed === 'all') {
      const before = this.#index.nodes;
      this.#index = new StateIndex((id) => this.#meetNode(id, before));
      this.attendance.clear();
      this.#touched.clear(); // they are of the former index
      this.hold = undefined;
      this.#dirty.addAll('all');
    }
    for (const key of changed === 'all' ? entries.keys() : changed) {
      try {
        this.#absorbKey(key, entries.get(key));
      } catch (error) {
        this.#options.onUnreadable(key, error);
      }
    }
    this.#noteAbsences(nowMs);
  }

  /** The view as of now. Nodes whose loss has come of age since the last look make their workloads dirty. */
  view(nowMs: number, nowIso: string, brake: Braking = noBrake): ClusterView {
    const { lossClock, calmAtMostMs = 0 } = this.#options;
    const { absent, leaving, calming, arriving } = this.attendance;
    for (const node of arriving) if (!ageArrival(node, nowMs)) arriving.delete(node);
    for (const node of absent)
      if (ageAbsent(node, lossClock.absence(node.id, nowMs), nowMs, brake)) this.#nodeChanged(node);
    for (const node of leaving) if (ageLeaving(node, nowMs, brake)) this.#nodeChanged(node);
    for (const node of calming) if (ageCalm(node, nowMs, nowIso, calmAtMostMs)) this.#nodeChanged(node);
    const { nodes, workloads } = this.#index;
    return { nowIso, holdRevision: this.hold?.revision ?? 0, nodes, workloads };
  }

  /** When time alone changes what nodes get; undefined: it doesn't. */
  nextCalmInMs(nowMs: number): number | undefined {
    const ends = [...this.attendance.calming].flatMap(({ calm, calmEndsAtMs }) =>
      calm === undefined || calmEndsAtMs === undefined ? [] : [calmEndsAtMs - nowMs],
    );
    return ends.length === 0 ? undefined : Math.ceil(Math.max(0, Math.min(...ends)));
  }

  /** The workloads to plan; what is taken counts as looked at. */
  takeDirty(): ReadonlySet<WorkloadName> | 'all' {
    if (this.#roomChanged || this.#nodesChanged) {
      for (const { name, workload, pending } of this.#index.workloads.values()) {
        if (pending.size > 0 || (workload?.value.placement.machineOf.length ?? 0) > 0) this.#dirty.add(name);
        if (this.#nodesChanged && workload?.value.scale.kind === 'global') this.#dirty.add(name);
      }
    }
    this.#roomChanged = false;
    this.#nodesChanged = false;
    return this.#dirty.take();
  }

  /** Puts back what was taken and not brought to its end. */
  markDirty(names: Iterable<WorkloadName> | 'all'): void {
    this.#dirty.addAll(names);
  }

  #absorbKey(key: string, stored: Stored | undefined): void {
    const { layout } = this.#options;
    if (key.startsWith(layout.nodes)) this.#absorbNode(key, stored);
    else if (key.startsWith(layout.holds)) this.#absorbHold(key, stored);
    else if (key.startsWith(layout.workloads)) this.#absorbWorkload(key, stored);
    else if (key.startsWith(layout.instances)) this.#absorbRecord(key, stored);
    else if (key.startsWith(layout.assignments)) this.#absorbAssignment(key, stored);
    else if (key.startsWith(layout.statuses)) this.#absorbStatus(key, stored);
  }

  #absorbNode(key: string, stored: Stored | undefined): void {
    const { node: id, kind } = parseNodeKey(this.#options.layout, key);
    const node = this.#index.node(id);
    this.#touched.add(node);
    if (kind === 'verdict') {
      this.#absorbVerdict(node, key, stored);
      return;
    }
    this.#nodeChanged(node);
    if (kind === 'record') {
      node.recordRevision = stored?.modRevision ?? 0;
      node.setRecord(this.#decode(nodeRecordCodec, key, stored)?.value);
    } else if (kind === 'presence') {
      // One that can't be read is there all the same: its node is not lost, and gets nothing new. It speaks for no doubt of the store.
      node.presence = this.#decode(presenceCodec, key, stored) ?? this.#unreadPresence(stored);
      node.leaseId = stored?.lease ?? '0';
      if (node.presence !== undefined) node.leftInOrder = node.presence.value.state === 'leaving';
      if (node.presence !== undefined && node.presence.value.state !== 'away')
        node.ttlMs = Math.max(this.#options.ttlMs, node.presence.value.ttlMs);
    } else {
      const settings = this.#decode(nodeSettingsCodec, key, stored)?.value;
      node.settingsRevision = stored?.modRevision ?? 0;
      node.setSettings(settings ?? (stored === undefined ? undefined : 'unreadable'));
      if (settings?.removal !== undefined) this.#dirty.addAll('all'); // records that name it may be anybody's
    }
  }

  /** Who is lost says the clock; of a verdict only the time of calm changes what is planned. */
  #absorbVerdict(node: NodeEntry, key: string, stored: Stored | undefined): void {
    node.verdict = this.#decode(nodeVerdictCodec, key, stored)?.value;
    node.verdictRevision = stored?.modRevision ?? 0;
    node.calmEndsAtMs = undefined;
    if (node.verdict?.calmUntil !== undefined || node.calm === undefined) return;
    node.calm = undefined;
    this.#nodeChanged(node);
  }

  #absorbHold(key: string, stored: Stored | undefined): void {
    if (key !== this.#options.layout.hold('mass-loss')) return;
    const value = this.#decode(holdCodec, key, stored)?.value;
    this.hold = stored === undefined ? undefined : { value, revision: stored.modRevision };
  }

  #unreadPresence(stored: Stored | undefined): Versioned<Presence> | undefined {
    if (stored === undefined) return undefined;
    const value: Presence = { nonce: '', bootId: '', ttlMs: this.#options.ttlMs, state: 'away' };
    return { value, revision: stored.modRevision };
  }

  #absorbWorkload(key: string, stored: Stored | undefined): void {
    const entry = this.#index.workload(parseWorkloadName(key.slice(this.#options.layout.workloads.length)));
    const before = entry.workload?.value;
    entry.workload = this.#decode(workloadCodec, key, stored);
    entry.unreadable = stored !== undefined && entry.workload === undefined;
    this.#dirty.add(entry.name);
    this.#roomChanged = true;
    // Its patterns concern others, wherever they are.
    if (isChoosy(before) || isChoosy(entry.workload?.value)) this.#dirty.addAll('all');
    this.#index.prune(entry);
  }

  #absorbRecord(key: string, stored: Stored | undefined): void {
    const { workload, instance } = this.#index.instance(parseInstancePath(this.#options.layout.instances, key));
    instance.record = this.#decode(instanceCodec, key, stored);
    this.#noteReadable(instance, key, stored === undefined || instance.record !== undefined);
    for (const { node } of instance.record?.value.copies ?? []) this.#index.node(node);
    if (instance.record?.value.pending === undefined) workload.pending.delete(instance.slot);
    else workload.pending.add(instance.slot);
    this.#dirty.add(workload.name);
    this.#index.prune(workload, instance);
  }

  #absorbAssignment(key: string, stored: Stored | undefined): void {
    const { node: id, instance: name } = parseNodeInstancePath(this.#options.layout.assignments, key);
    const { workload, instance } = this.#index.instance(name);
    const node = this.#index.node(id);
    const assignment = this.#decode(assignmentCodec, key, stored);
    this.#noteReadable(instance, key, stored === undefined || assignment !== undefined);
    this.#index.copy(node, instance).assignment = assignment;
    this.#dirty.add(workload.name);
    this.#roomChanged = true;
    if (isChoosy(workload.workload?.value) || node.settings.draining) this.#markNode(node);
    this.#index.pruneCopy(node, instance, instance.unreadable.has(this.#options.layout.assignment(id, name)));
    this.#index.prune(workload, instance);
  }

  #absorbStatus(key: string, stored: Stored | undefined): void {
    const { node: id, instance: name } = parseNodeInstancePath(this.#options.layout.statuses, key);
    const { workload, instance } = this.#index.instance(name);
    const node = this.#index.node(id);
    const copy = this.#index.copy(node, instance);
    copy.status = this.#decode(statusCodec, key, stored);
    if (copy.assignment === undefined) this.#roomChanged = true;
    if (node.settings.draining) this.#markNode(node); // what leaves it last may go when this has
    this.#dirty.add(workload.name);
    this.#index.pruneCopy(node, instance, instance.unreadable.has(this.#options.layout.assignment(id, name)));
    this.#index.prune(workload, instance);
  }

  /** Undefined for what isn't there, and for what can't be read: that's reported. */
  #decode<T>(codec: Codec<T>, key: string, stored: Stored | undefined): Versioned<T> | undefined {
    if (stored === undefined) return undefined;
    try {
      return { value: codec.decode(stored.value, key), revision: stored.modRevision };
    } catch (error) {
      this.#options.onUnreadable(key, error);
      return undefined;
    }
  }

  #noteReadable(instance: InstanceEntry, key: string, isReadable: boolean): void {
    if (isReadable) instance.unreadable.delete(key);
    else instance.unreadable.add(key);
  }

  #nodeChanged(node: NodeEntry): void {
    this.#touched.add(node);
    this.#markNode(node);
    this.#nodesChanged = true;
  }

  #markNode(node: NodeEntry): void {
    for (const key of node.copies.keys()) this.#dirty.add(splitInstanceKey(key).workload);
  }

  #meetNode(id: NodeId, before: ReadonlyMap<NodeId, NodeEntry>): NodeEntry {
    const known = before.get(id);
    const node = new NodeEntry(id, known?.ttlMs ?? this.#options.ttlMs);
    if (known !== undefined) node.recall(known);
    this.#touched.add(node);
    return node;
  }

  #noteAbsences(nowMs: number): void {
    const { lossClock, agentAwayMs = 0 } = this.#options;
    for (const node of this.#touched) {
      this.attendance.note(node);
      if (node.presence === undefined) noteAbsent(node, lossClock, nowMs, agentAwayMs);
      else if (notePresent(node, node.presence, lossClock, nowMs)) this.attendance.arriving.add(node);
    }
    this.#touched = new Set();
  }
}

function isChoosy(workload: Workload | undefined): boolean {
  return workload !== undefined && workload.placement.conflicts.length + workload.placement.replaces.length > 0;
}
