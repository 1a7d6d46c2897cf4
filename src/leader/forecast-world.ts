import { assignmentCodec, holdCodec, nodeVerdictCodec, presenceCodec, statusCodec } from '../cluster/codecs.ts';
import type { LeaderWrite } from '../cluster/commit-as-leader.ts';
import { type Layout, parseNodeInstancePath } from '../cluster/layout.ts';
import type { Mirror } from '../cluster/mirror.ts';
import { AgentError } from '../domain/errors.ts';
import { activeHold } from '../domain/hold.ts';
import { type InstanceKey, type NodeId, splitInstanceKey, type WorkloadName } from '../domain/ids.ts';
import type { ClusterSettings } from '../domain/node.ts';
import type { Assignment } from '../domain/spec.ts';
import type { InstanceStatus } from '../domain/status.ts';
import type { ClusterView } from '../plan/cluster-view.ts';
import { isOutdatedOrder } from '../plan/plan-cluster-update.ts';
import { ClusterState } from './cluster-state.ts';
import { LossClock } from './loss-clock.ts';
import { calmSettings } from './mass-loss.ts';
import { millisecondsBetween } from './wall-time.ts';

type KeyValue = Mirror['entries'] extends ReadonlyMap<string, infer Value> ? Value : never;

/** The store as it was read. */
export interface StoreSnapshot {
  readonly layout: Layout;
  readonly kvs: readonly KeyValue[];
  readonly settings: ClusterSettings | undefined;
  readonly nowIso: string;
}

/** Any origin will do, as long as what is gone can have gone before it. */
const NOW_MS = 0;
const LONG_MS = 366 * 24 * 3_600_000;
const DEFAULT_TTL_MS = 10_000;

/** A copy of the store that nothing but a forecast changes, and nodes that do at once and well what they are ordered. */
export class ForecastWorld {
  readonly #layout: Layout;
  readonly #nowIso: string;
  readonly #entries: Map<string, KeyValue>;
  readonly #state: ClusterState;
  readonly #held: ReadonlySet<NodeId>;
  #revision: number;

  constructor({ layout, kvs, settings, nowIso }: StoreSnapshot) {
    this.#layout = layout;
    this.#nowIso = nowIso;
    this.#entries = new Map(kvs.map((kv) => [kv.key, kv]));
    this.#revision = Math.max(0, ...kvs.map(({ modRevision }) => modRevision));
    this.#held = this.#readHeld();
    const ttlMs = settings?.ttlMs ?? DEFAULT_TTL_MS;
    this.#state = new ClusterState({
      layout,
      ttlMs,
      lossClock: this.#readAbsences(ttlMs),
      calmAtMostMs: calmSettings(settings ?? {}).mostMs,
      agentAwayMs: 0,
      onUnreadable: () => undefined, // the API tells of it
    });
    this.#state.absorb(this.#entries, 'all', NOW_MS);
    this.view();
    this.#state.takeDirty();
  }

  view(): ClusterView {
    const heldForMs = ({ id }: { readonly id: NodeId }) => (this.#held.has(id) ? LONG_MS : 0);
    return this.#state.view(NOW_MS, this.#nowIso, { judgedInMs: () => 0, heldForMs });
  }

  /** What the writes since the last call concern. */
  takeDirty(): ReadonlySet<WorkloadName> | 'all' {
    return this.#state.takeDirty();
  }

  /** Has them looked at, whether anything of them has changed or not. */
  markDirty(names: Iterable<WorkloadName>): void {
    this.#state.markDirty(names);
  }

  /** As the store would; each call is one revision. */
  write(writes: readonly LeaderWrite[]): void {
    this.#revision += 1;
    const changed = new Set<string>();
    for (const write of writes) {
      const key = 'put' in write ? write.put : write.delete;
      changed.add(key);
      if ('delete' in write) this.#entries.delete(key);
      else this.#put(key, write.value);
    }
    this.#state.absorb(this.#entries, changed, NOW_MS);
  }

  /** Nodes that are there carry out the orders among these keys, and say so. */
  obey(written: readonly string[]): void {
    const said = written.flatMap((key): LeaderWrite[] => {
      const kv = this.#entries.get(key);
      if (kv === undefined || !key.startsWith(this.#layout.assignments)) return [];
      const { node, instance } = parseNodeInstancePath(this.#layout.assignments, key);
      return this.#sayOf(node, instance, { value: assignmentCodec.decode(kv.value, key), revision: kv.modRevision });
    });
    if (said.length > 0) this.write(said);
  }

  /**
   * What is under way in a workload comes to a good end: what has no answer yet, and what starts. With `hurry`, copies that are still to
   * be updated are said not to be well: they needn't wait for their turn then. False: nothing was said.
   */
  settle(name: WorkloadName, hurry: boolean): boolean {
    const workload = this.#state.workloads.get(name);
    const copies = [...(workload?.instances.values() ?? [])].flatMap(({ copies: all }) => [...all.values()]);
    const said = copies.flatMap((copy): LeaderWrite[] => {
      const { node, key, assignment, status } = copy;
      if (assignment === undefined) return [];
      const isAnswered = status?.value.assignmentRevision === assignment.revision;
      const isComing = status !== undefined && ['pending', 'pulling', 'starting'].includes(status.value.phase);
      const isRunning = status?.value.phase === 'running' && status.value.health !== 'unhealthy';
      const isWell = isAnswered && !isComing && (!isRunning || status.value.healthy);
      const wanted = workload?.workload?.value;
      if (hurry && wanted !== undefined && isOutdatedOrder(wanted, splitInstanceKey(key).slot, assignment.value))
        return isWell && isRunning ? [this.#say(node, key, unwell(status.value))] : [];
      const isFailed = isAnswered && !isComing && !isRunning;
      return isWell || isFailed ? [] : this.#sayOf(node, key, assignment);
    });
    if (said.length > 0) this.write(said);
    return said.length > 0;
  }

  #sayOf(
    node: NodeId,
    key: InstanceKey,
    { value, revision }: { readonly value: Assignment; readonly revision: number },
  ): LeaderWrite[] {
    const presence = this.#state.nodes.get(node)?.presence?.value;
    if (presence === undefined || presence.state === 'in-doubt') return [];
    if (presence.state === 'leaving' && value.order === 'run') return [];
    const { spec, restart, order, launch } = value;
    const runs = order === 'run' && launch !== false;
    const status: InstanceStatus = {
      assignmentRevision: revision,
      spec,
      ...(restart === undefined ? {} : { restart }),
      phase: runs ? 'running' : 'stopped',
      healthy: runs,
      health: 'none',
      since: this.#nowIso,
      ...(runs ? { startedAt: this.#nowIso } : {}),
      restarts: 0,
      bootId: presence.bootId,
      ...(order === 'run' && launch === false ? { loaded: true } : {}),
    };
    return [this.#say(node, key, status)];
  }

  #say(node: NodeId, key: InstanceKey, status: InstanceStatus): LeaderWrite {
    return { put: this.#layout.status(node, key), value: statusCodec.encode(status) };
  }

  #put(key: string, value: string): void {
    const createRevision = this.#entries.get(key)?.createRevision ?? this.#revision;
    this.#entries.set(key, { key, value, createRevision, modRevision: this.#revision, lease: '0' });
  }

  #readHeld(): ReadonlySet<NodeId> {
    const key = this.#layout.hold('mass-loss');
    const hold = readable(() => holdCodec.decode(this.#entries.get(key)?.value ?? '', key));
    return new Set(activeHold(hold)?.nodes);
  }

  /** Absent nodes have been so since a leader has noted that; one of which none has yet may be back any moment. */
  #readAbsences(ttlMs: number): LossClock {
    const lossClock = new LossClock({ ttlMs, termBeganMs: NOW_MS - LONG_MS, predecessor: undefined });
    for (const [key, { value, modRevision }] of this.#entries) {
      if (!key.startsWith(this.#layout.nodes) || !key.endsWith('/verdict')) continue;
      const node = key.slice(this.#layout.nodes.length, -'/verdict'.length) as NodeId;
      const presence = this.#entries.get(this.#layout.presence(node));
      const verdict = readable(() => nodeVerdictCodec.decode(value, key));
      const registeredAt = this.#entries.get(this.#layout.nodeRecord(node))?.modRevision ?? 0;
      if (verdict?.lostSince === undefined || modRevision < registeredAt || isPresence(presence)) continue;
      const sinceMs = millisecondsBetween(verdict.lostSince, this.#nowIso) ?? 0;
      // It was noted no earlier than a TTL's fraction after it went: what that leaves is made up for.
      lossClock.absent(node, NOW_MS - Math.max(0, sinceMs) - ttlMs, true);
    }
    return lossClock;
  }
}

function unwell(status: InstanceStatus): InstanceStatus {
  return { ...status, healthy: false };
}

function isPresence(kv: KeyValue | undefined): boolean {
  return kv !== undefined && readable(() => presenceCodec.decode(kv.value, kv.key)) !== undefined;
}

/** Undefined for what can't be read. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return undefined;
  }
}
