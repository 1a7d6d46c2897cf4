import { AgentError, errorText } from '../domain/errors.ts';
import {
  type InstanceKey,
  type NodeId,
  parseWorkloadName,
  splitInstanceKey,
  type WorkloadName,
} from '../domain/ids.ts';
import type { ClusterSettings, Hold, NodeRecord, NodeSettings, NodeVerdict, Presence } from '../domain/node.ts';
import type { Assignment, InstanceRecord, Workload } from '../domain/spec.ts';
import type { InstanceStatus } from '../domain/status.ts';
import type { KeyValue, Revision } from '../etcd/port.ts';
import {
  assignmentCodec,
  type Candidate,
  candidateCodec,
  clusterSettingsCodec,
  holdCodec,
  instanceCodec,
  nodeRecordCodec,
  nodeSettingsCodec,
  nodeVerdictCodec,
  presenceCodec,
  statusCodec,
  workloadCodec,
} from './codecs.ts';
import { isCandidacy } from './election.ts';
import { type Layout, parseInstancePath, parseNodeInstancePath, parseNodeKey } from './layout.ts';

/** A value and the revision that wrote it. */
export interface Found<T> {
  readonly value: T;
  readonly modRevision: Revision;
}

/** All that is stored of one node. */
export interface NodeEntry {
  readonly record?: NodeRecord;
  readonly presence?: Presence;
  readonly settings?: NodeSettings;
  readonly verdict?: NodeVerdict;
}

/** What stands at one copy: the order, and the receipt. */
export interface CopyEntry {
  readonly node: NodeId;
  readonly assignment?: Found<Assignment>;
  readonly status?: Found<InstanceStatus>;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * The cluster as read, decoded. Each key's newest version wins, in whatever order lists, reads and events are told: so they
 * need no common revision. A value that can't be read is left out and reported in `problems`; it stops nothing else.
 */
export class DesiredState {
  readonly nodes = new Map<NodeId, NodeEntry>();
  readonly workloads = new Map<WorkloadName, Found<Workload>>();
  readonly #instances = new Map<WorkloadName, Map<InstanceKey, InstanceRecord>>();
  readonly #copies = new Map<WorkloadName, Map<InstanceKey, Map<NodeId, CopyEntry>>>();
  readonly #candidates = new Map<string, { readonly candidate: Candidate; readonly createRevision: Revision }>();
  readonly #layout: Layout;
  readonly #seen = new Map<string, Revision>();
  readonly #whole = new Set<string>();
  readonly #problems = new Map<string, string>();
  #settings: ClusterSettings | undefined;
  #hold: Hold | undefined;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  get settings(): ClusterSettings | undefined {
    return this.#settings;
  }

  /** What the leader holds, if that was read; it may be over. */
  get hold(): Hold | undefined {
    return this.#hold;
  }

  /** What could not be read, one line each. */
  get problems(): string[] {
    return [...this.#problems.values()].sort();
  }

  /** The first of the queue, if the queue was read. Its create revision is the term. */
  get leader(): { readonly node: NodeId; readonly term: Revision } | undefined {
    const queue = [...this.#candidates.values()].sort((a, b) => a.createRevision - b.createRevision);
    const [first] = queue;
    return first === undefined ? undefined : { node: first.candidate.node, term: first.createRevision };
  }

  instancesOf(name: WorkloadName): ReadonlyMap<InstanceKey, InstanceRecord> {
    return this.#instances.get(name) ?? new Map();
  }

  /** By instance, then by node: whatever is ordered or reported there. */
  copiesOf(name: WorkloadName): ReadonlyMap<InstanceKey, ReadonlyMap<NodeId, CopyEntry>> {
    return this.#copies.get(name) ?? new Map();
  }

  /** Names that have anything: a record, or only remains. */
  names(): WorkloadName[] {
    return [...new Set([...this.workloads.keys(), ...this.#instances.keys(), ...this.#copies.keys()])].sort();
  }

  /** True for a node that has a record, and surely no presence. */
  isLost(node: NodeId): boolean {
    const entry = this.nodes.get(node);
    return entry?.record !== undefined && entry.presence === undefined && this.knows(this.#layout.presence(node));
  }

  /** True once this key was read, be it there or not, or its whole range was. */
  knows(key: string): boolean {
    return this.#seen.has(key) || [...this.#whole].some((range) => key.startsWith(range));
  }

  /** Notes that all keys of a range have been learned. */
  learnedWhole(range: string): void {
    this.#whole.add(range);
  }

  hasWhole(range: string): boolean {
    return this.#whole.has(range);
  }

  /** Takes in a key as it was read or told. */
  learn(kv: KeyValue): void {
    if (this.#isOld(kv.key, kv.modRevision)) return;
    this.#problems.delete(kv.key);
    try {
      this.#put(kv);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      this.#drop(kv.key);
      this.#problems.set(kv.key, errorText(error));
    }
  }

  /** Takes in that the key was not there as of this revision. */
  forget(key: string, revision: Revision): void {
    if (this.#isOld(key, revision)) return;
    this.#problems.delete(key);
    this.#drop(key);
  }

  #isOld(key: string, revision: Revision): boolean {
    const seen = this.#seen.get(key);
    if (seen !== undefined && seen >= revision) return true;
    this.#seen.set(key, revision);
    return false;
  }

  #put(kv: KeyValue): void {
    const { key, value, modRevision } = kv;
    const at = this.#locate(key);
    switch (at?.kind) {
      case undefined:
        return;
      case 'cluster':
        this.#settings = clusterSettingsCodec.decode(value, key);
        return;
      case 'hold':
        this.#hold = holdCodec.decode(value, key);
        return;
      case 'candidate':
        if (!isCandidacy(this.#layout, kv)) throw foreignCandidate(key);
        this.#candidates.set(key, { candidate: candidateCodec.decode(value, key), createRevision: kv.createRevision });
        return;
      case 'node':
        this.#setNode(at.node, at.part, decodeNodePart(at.part, value, key));
        return;
      case 'workload':
        this.workloads.set(at.name, { value: workloadCodec.decode(value, key), modRevision });
        return;
      case 'instance':
        nested(this.#instances, splitInstanceKey(at.instance).workload).set(
          at.instance,
          instanceCodec.decode(value, key),
        );
        return;
      case 'assignment':
        this.#setCopy(at.node, at.instance, { assignment: { value: assignmentCodec.decode(value, key), modRevision } });
        return;
      case 'status':
        this.#setCopy(at.node, at.instance, { status: { value: statusCodec.decode(value, key), modRevision } });
        return;
      default:
        at satisfies never;
    }
  }

  #drop(key: string): void {
    let at: Location | undefined;
    try {
      at = this.#locate(key);
    } catch {
      return; // a key that isn't ours left nothing behind
    }
    if (at?.kind === 'cluster') this.#settings = undefined;
    else if (at?.kind === 'hold') this.#hold = undefined;
    else if (at?.kind === 'candidate') this.#candidates.delete(key);
    else if (at?.kind === 'node') this.#setNode(at.node, at.part, undefined);
    else if (at?.kind === 'workload') this.workloads.delete(at.name);
    else if (at?.kind === 'instance') this.#dropInstance(at.instance);
    else if (at?.kind === 'assignment') this.#setCopy(at.node, at.instance, { assignment: undefined });
    else if (at?.kind === 'status') this.#setCopy(at.node, at.instance, { status: undefined });
  }

  #dropInstance(instance: InstanceKey): void {
    const { workload } = splitInstanceKey(instance);
    const instances = this.#instances.get(workload);
    instances?.delete(instance);
    if (instances?.size === 0) this.#instances.delete(workload);
  }

  #setNode(node: NodeId, part: keyof NodeEntry, value: NodeEntry[keyof NodeEntry]): void {
    const entry = { ...this.nodes.get(node), [part]: value };
    if (value === undefined) delete entry[part];
    if (Object.keys(entry).length === 0) this.nodes.delete(node);
    else this.nodes.set(node, entry as NodeEntry);
  }

  #setCopy(
    node: NodeId,
    instance: InstanceKey,
    change: { assignment?: Found<Assignment> | undefined; status?: Found<InstanceStatus> | undefined },
  ): void {
    const { workload } = splitInstanceKey(instance);
    const instances = nested(this.#copies, workload);
    const copies = nested(instances, instance);
    const { assignment, status } = { ...copies.get(node), ...change };
    const entry: Writable<CopyEntry> = { node };
    if (assignment !== undefined) entry.assignment = assignment;
    if (status !== undefined) entry.status = status;
    if (assignment !== undefined || status !== undefined) copies.set(node, entry);
    else copies.delete(node);
    if (copies.size === 0) instances.delete(instance);
    if (instances.size === 0) this.#copies.delete(workload);
  }

  #locate(key: string): Location | undefined {
    const layout = this.#layout;
    if (key === layout.cluster) return { kind: 'cluster' };
    if (key === layout.hold('mass-loss')) return { kind: 'hold' };
    if (key.startsWith(layout.nodes)) {
      const { node, kind: part } = parseNodeKey(layout, key);
      return { kind: 'node', node, part };
    }
    if (key.startsWith(layout.workloads)) {
      return { kind: 'workload', name: parseWorkloadName(key.slice(layout.workloads.length)) };
    }
    if (key.startsWith(layout.instances))
      return { kind: 'instance', instance: parseInstancePath(layout.instances, key) };
    if (key.startsWith(layout.assignments))
      return { kind: 'assignment', ...parseNodeInstancePath(layout.assignments, key) };
    if (key.startsWith(layout.statuses)) return { kind: 'status', ...parseNodeInstancePath(layout.statuses, key) };
    return key.startsWith(layout.election) ? { kind: 'candidate' } : undefined;
  }
}

function foreignCandidate(key: string): AgentError {
  return new AgentError(
    'INVALID_INPUT',
    `Cannot read key "${key.slice(0, 300)}": expected a candidacy, bound to the lease that its key names`,
  );
}

type Location =
  | { readonly kind: 'cluster' | 'candidate' | 'hold' }
  | { readonly kind: 'node'; readonly node: NodeId; readonly part: keyof NodeEntry }
  | { readonly kind: 'workload'; readonly name: WorkloadName }
  | { readonly kind: 'instance'; readonly instance: InstanceKey }
  | { readonly kind: 'assignment' | 'status'; readonly node: NodeId; readonly instance: InstanceKey };

function decodeNodePart(part: keyof NodeEntry, value: string, key: string): NodeEntry[keyof NodeEntry] {
  switch (part) {
    case 'record':
      return nodeRecordCodec.decode(value, key);
    case 'presence':
      return presenceCodec.decode(value, key);
    case 'settings':
      return nodeSettingsCodec.decode(value, key);
    case 'verdict':
      return nodeVerdictCodec.decode(value, key);
  }
}

/** The map below a key, made when it's missing. */
function nested<K, K2, V>(maps: Map<K, Map<K2, V>>, key: K): Map<K2, V> {
  const found = maps.get(key) ?? new Map<K2, V>();
  maps.set(key, found);
  return found;
}
