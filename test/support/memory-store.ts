import { AgentError } from '../../src/domain/errors.ts';
import type {
  Compare,
  Granted,
  KeyValue,
  LeaseId,
  Range,
  Revision,
  StoreIdentity,
  Transaction,
  WatchEvent,
  WatchRange,
  Write,
} from '../../src/etcd/port.ts';
import { TXN_LIMIT } from '../../src/etcd/port.ts';
import type { Clock } from '../../src/loop/clock.ts';
import { MemoryKv } from './memory-kv.ts';

interface Lease {
  readonly ttlMs: number;
  readonly keys: Set<string>;
  expiresAtMs: number;
  cancel: () => void;
}

/** @see MemoryStore.snapshot */
export interface StoreSnapshot {
  readonly kvs: readonly KeyValue[];
  readonly leases: readonly { readonly id: LeaseId; readonly ttlMs: number; readonly keys: readonly string[] }[];
  readonly revision: Revision;
}

const requestBytes = 1.5 * 1024 * 1024;

/** etcd in memory, on the test's clock: revisions, transactions, leases, history. Clients reach it through {@link client}. */
export class MemoryStore {
  readonly attemptMs: number;
  readonly callMs: number;
  readonly #clock: Clock;
  readonly #data = new Map<string, KeyValue>();
  readonly #leases = new Map<LeaseId, Lease>();
  readonly #watchers = new Set<{ readonly range: Range; readonly wake: () => void }>();
  /** One entry a revision, from {@link #firstKept} on. */
  #history: (readonly WatchEvent[])[] = [];
  #firstKept: Revision = 2;
  #revision: Revision = 1;
  #compactedAt: Revision = 0;
  #clusterId = 'memory';
  #term = 2;
  #lastLease = 1_000;
  #isDown = false;
  #restored = 0;
  #isFull = false;
  /** Transactions that wait in a member that is cut off. */
  readonly #held = new Map<() => void, () => void>();

  constructor(clock: Clock, options: { readonly attemptMs?: number; readonly callMs?: number } = {}) {
    this.#clock = clock;
    this.attemptMs = options.attemptMs ?? 2_000;
    this.callMs = options.callMs ?? 5_000;
  }

  /** A client of its own, with faults of its own. */
  client(name = 'client'): MemoryKv {
    return new MemoryKv(this, this.#clock, name);
  }

  get revision(): Revision {
    return this.#revision;
  }

  get compactedAt(): Revision {
    return this.#compactedAt;
  }

  get isDown(): boolean {
    return this.#isDown;
  }

  /** How often it was restored: no connection outlives that. */
  get restored(): number {
    return this.#restored;
  }

  /** A member that is cut off has taken it: it's applied so much later, unless the store was restored meanwhile. */
  commitLater(txn: Transaction, ms: number): void {
    const apply = (): void => {
      this.#held.delete(apply);
      try {
        this.commit(txn);
      } catch (error) {
        if (!(error instanceof AgentError)) throw error; // refused, and nobody hears of it
      }
    };
    this.#held.set(apply, this.#clock.after(ms, apply));
  }

  /** What members that were cut off have taken is applied now. */
  applyHeld(): void {
    for (const [apply, cancel] of [...this.#held]) {
      cancel();
      apply();
    }
  }

  /** Ends the whole store's service: no client reaches it and no lease expires. */
  stop(): void {
    this.#isDown = true;
    for (const lease of this.#leases.values()) lease.cancel();
    this.#wakeAll();
  }

  /** Serves again, under a new term. Every lease has its full time again, as with a new leader of etcd. */
  start(): void {
    if (!this.#isDown) return;
    this.#isDown = false;
    this.#term += 1;
    for (const id of this.#leases.keys()) this.renewLease(id);
    this.#wakeAll();
  }

  /** All that a snapshot of etcd holds. */
  snapshot(): StoreSnapshot {
    const leases = [...this.#leases].map(([id, { ttlMs, keys }]) => ({ id, ttlMs, keys: [...keys] }));
    return { kvs: [...this.#data.values()], leases, revision: this.#revision };
  }

  /**
   * The store is made anew from a snapshot, as `etcdctl snapshot restore` does while all members are stopped: the same cluster ID
   * unless another is given, the first term, the snapshot's revision, its leases with their full time, and no history.
   */
  restore(snapshot: StoreSnapshot, clusterId = this.#clusterId): void {
    const wasDown = this.#isDown;
    this.stop();
    this.#restored += 1;
    this.#clusterId = clusterId;
    this.#term = 1;
    this.#revision = snapshot.revision;
    this.#history = [];
    this.#firstKept = snapshot.revision + 1;
    this.#compactedAt = snapshot.revision;
    for (const cancel of this.#held.values()) cancel();
    this.#held.clear();
    this.#data.clear();
    for (const kv of snapshot.kvs) this.#data.set(kv.key, kv);
    this.#leases.clear();
    for (const { id, ttlMs, keys } of snapshot.leases)
      this.#leases.set(id, { ttlMs, keys: new Set(keys), expiresAtMs: 0, cancel: () => {} });
    if (!wasDown) this.start();
  }

  /** Another member leads: a new term, and every lease has its full time again. */
  changeLeader(): void {
    this.#term += 1;
    for (const id of this.#leases.keys()) this.renewLease(id);
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /** NOSPACE: puts and new leases are refused; deletes and renewals are not. */
  setFull(isFull: boolean): void {
    this.#isFull = isFull;
  }

  /** Forgets history before this revision: a watch from an older one is stale. */
  compact(revision: Revision = this.#revision): void {
    this.#compactedAt = Math.max(this.#compactedAt, revision);
    const drop = Math.max(0, revision - this.#firstKept);
    this.#history = this.#history.slice(drop);
    this.#firstKept += drop;
  }

  /** Every key with its value, in order: what a test asserts on. */
  dump(): Record<string, string> {
    return Object.fromEntries(this.list('').map((kv) => [kv.key, kv.value]));
  }

  get(key: string): KeyValue | undefined {
    return this.#data.get(key);
  }

  list(prefix: string): KeyValue[] {
    return [...this.#data.values()].filter((kv) => kv.key.startsWith(prefix)).sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  identity(): StoreIdentity {
    return { clusterId: this.#clusterId, raftTerm: this.#term, revision: this.#revision };
  }

  commit(txn: Transaction): { applied: boolean; revision: Revision } {
    checkTransaction(txn);
    const writesData = txn.writes.some((write) => 'put' in write);
    if (this.#isFull && writesData) throw new AgentError('FULL', 'Cannot commit: database space exceeded');
    if (!txn.compares.every((compare) => this.#holds(compare))) return { applied: false, revision: this.#revision };
    for (const write of txn.writes) {
      if ('put' in write && write.lease !== undefined && write.lease !== '0' && !this.#leases.has(write.lease)) {
        throw new AgentError('NOT_FOUND', `Cannot commit: requested lease "${write.lease}" not found`);
      }
    }
    this.#apply(txn.writes);
    return { applied: true, revision: this.#revision };
  }

  grantLease(ttlMs: number): Granted {
    if (this.#isFull) throw new AgentError('FULL', 'Cannot grant a lease: database space exceeded');
    const id = String(++this.#lastLease);
    const granted = Math.max(2_000, Math.ceil(ttlMs / 1000) * 1000);
    this.#leases.set(id, { ttlMs: granted, keys: new Set(), expiresAtMs: 0, cancel: () => {} });
    this.renewLease(id);
    return { id, ttlMs: granted, store: this.identity() };
  }

  /** The lease's TTL; 0 where it's gone. */
  renewLease(id: LeaseId): number {
    const lease = this.#leases.get(id);
    if (!lease) return 0;
    lease.cancel();
    lease.expiresAtMs = this.#clock.monotonicMs() + lease.ttlMs;
    lease.cancel = this.#clock.after(lease.ttlMs, () => this.revokeLease(id));
    return lease.ttlMs;
  }

  leaseTimeToLive(id: LeaseId): { remainingMs: number; grantedMs: number } {
    const lease = this.#leases.get(id);
    if (!lease) return { remainingMs: 0, grantedMs: 0 };
    return { remainingMs: lease.expiresAtMs - this.#clock.monotonicMs(), grantedMs: lease.ttlMs };
  }

  /** Also the hand of a test: a lease that the store drops before its time. */
  revokeLease(id: LeaseId): void {
    const lease = this.#leases.get(id);
    if (!lease) return;
    lease.cancel();
    this.#leases.delete(id);
    this.#apply([...lease.keys].sort().map((key) => ({ delete: key })));
  }

  /** All kept events of the range from a revision on, and the revision up to which they are all. */
  eventsFrom(range: WatchRange, from: Revision): { events: WatchEvent[]; revision: Revision } {
    const revisions = this.#history.slice(Math.max(0, from - this.#firstKept));
    const events = revisions
      .flat()
      .flatMap((event) => (isIn(range, event.kv.key) ? [this.#asAsked(event, range)] : []));
    return { events, revision: this.#revision };
  }

  #asAsked({ type, kv, previous }: WatchEvent, range: WatchRange): WatchEvent {
    const isKnown = previous !== undefined && kv.modRevision - 1 >= this.#compactedAt;
    return { type, kv, ...(range.previous === true && isKnown && { previous }) };
  }

  /** Calls back at each change of the range and of the store's service; returns the unsubscription. */
  onChange(range: Range, wake: () => void): () => void {
    const watcher = { range, wake };
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
    };
  }

  #wakeAll(): void {
    for (const { wake } of [...this.#watchers]) wake();
  }

  #holds(compare: Compare): boolean {
    const kv = this.#data.get(compare.key);
    if ('value' in compare) return kv?.value === compare.value;
    if ('createRevision' in compare) return (kv?.createRevision ?? 0) === compare.createRevision;
    if ('modRevision' in compare) return (kv?.modRevision ?? 0) === compare.modRevision;
    return (kv?.lease ?? '0') === compare.lease;
  }

  /** One revision for all of it; none when nothing changes. */
  #apply(writes: readonly Write[]): void {
    const revision = this.#revision + 1;
    const events = writes.flatMap((write) => this.#applyOne(write, revision) ?? []);
    if (events.length === 0) return;
    this.#revision = revision;
    this.#history.push(events);
    for (const { range, wake } of [...this.#watchers]) {
      if (events.some((event) => isIn(range, event.kv.key))) wake();
    }
  }

  #applyOne(write: Write, revision: Revision): WatchEvent | undefined {
    const key = 'put' in write ? write.put : write.delete;
    const old = this.#data.get(key);
    if (old) this.#leases.get(old.lease)?.keys.delete(key);
    if (!('put' in write)) {
      if (!old) return undefined;
      this.#data.delete(key);
      const gone = { key, value: '', createRevision: 0, modRevision: revision, lease: '0' };
      return { type: 'delete', kv: gone, previous: old };
    }
    const lease = write.lease ?? '0';
    const createRevision = old?.createRevision ?? revision;
    const kv: KeyValue = { key, value: write.value, createRevision, modRevision: revision, lease };
    this.#data.set(key, kv);
    this.#leases.get(lease)?.keys.add(key);
    return { type: 'put', kv, ...(old && { previous: old }) };
  }
}

function isIn(range: Range, key: string): boolean {
  return 'key' in range ? key === range.key : key.startsWith(range.prefix);
}

/** The limits that etcd has by default. */
function checkTransaction(txn: Transaction): void {
  if (txn.writes.length === 0) {
    throw new AgentError('INVALID_INPUT', 'Cannot commit a transaction: expected at least one write');
  }
  if (txn.writes.length > TXN_LIMIT || txn.compares.length > TXN_LIMIT) {
    throw new AgentError('LIMIT', 'Cannot commit: too many operations in txn request');
  }
  const puts = new Set<string>();
  let bytes = 0;
  for (const write of txn.writes) {
    if (!('put' in write)) continue;
    if (puts.has(write.put)) throw new AgentError('INVALID_INPUT', `Cannot commit: duplicate key "${write.put}" given`);
    puts.add(write.put);
    bytes += write.put.length + write.value.length;
  }
  if (txn.writes.some((write) => 'delete' in write && puts.has(write.delete))) {
    throw new AgentError('INVALID_INPUT', 'Cannot commit: duplicate key given');
  }
  if (bytes > requestBytes) throw new AgentError('LIMIT', 'Cannot commit: request is too large');
}
