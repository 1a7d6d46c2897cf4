import { AgentError } from '../domain/errors.ts';

/** A revision of the store: grows by one with each change. An int64 in etcd; safe in a number for 2^53 changes. */
export type Revision = number;
/** A lease's ID in decimal: an int64, too wide for a number. */
export type LeaseId = string;

/** One key as the store holds it. Values are UTF-8 text. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  /** `0` when it's bound to none. */
  readonly lease: LeaseId;
}

/** A condition of a transaction. An absent key has create and mod revision 0. */
export type Compare =
  | { readonly key: string; readonly createRevision: Revision }
  | { readonly key: string; readonly modRevision: Revision }
  | { readonly key: string; readonly value: string }
  | { readonly key: string; readonly lease: LeaseId };

export type Write =
  | { readonly put: string; readonly value: string; readonly lease?: LeaseId }
  | { readonly delete: string };

/** An all-or-nothing change. etcd takes at most 128 operations and compares; see {@link TXN_LIMIT}. */
export interface Transaction {
  readonly compares: readonly Compare[];
  readonly writes: readonly Write[];
}

/** Most operations in one transaction (etcd's `--max-txn-ops` is 128 by default). */
export const TXN_LIMIT = 128;

export interface WatchEvent {
  readonly type: 'put' | 'delete';
  /** Of a delete: the key and the revision of the delete as `modRevision`; no value. */
  readonly kv: KeyValue;
  /** What the key held before, where that was asked for, and there was anything, and the store still knows it. */
  readonly previous?: KeyValue;
}

/** All events of the range up to and including `revision`, in order. Empty for a progress notice, and where the connection changes. */
export interface WatchBatch {
  readonly revision: Revision;
  readonly events: readonly WatchEvent[];
  /**
   * No events are told with it. The connection was lost, or the watch goes on over another, to a member that says that of its store:
   * it may lag behind, and the store may have been restored meanwhile.
   */
  readonly connection?: 'lost' | StoreIdentity;
}

/** Keys from a prefix (it must end in `/`) or one single key. */
export type Range = { readonly prefix: string } | { readonly key: string };

/** What to watch. `previous`: each event tells what the key held before. */
export type WatchRange = Range & { readonly previous?: true };

/** A watch was to begin with what the store has compacted away. */
export class CompactedError extends AgentError {
  /** The first revision that a watch can begin with. */
  readonly oldest: Revision;

  constructor(message: string, oldest: Revision, options?: { readonly cause: unknown }) {
    super('STALE', message, options);
    this.oldest = oldest;
  }
}

/** What a linearizable answer says of the store that gave it. */
export interface StoreIdentity {
  readonly clusterId: string;
  readonly raftTerm: number;
  readonly revision: Revision;
}

/** Answers, each of which tells what store gave it. @see Kv */
export interface Found extends StoreIdentity {
  readonly kv: KeyValue | undefined;
}
export interface Listed extends StoreIdentity {
  readonly kvs: readonly KeyValue[];
}
export interface Committed extends StoreIdentity {
  readonly applied: boolean;
}

/** A renewal that was answered. */
export interface Renewed {
  /** 0: the lease is gone. */
  readonly ttlMs: number;
  /** Monotonic: when the attempt that was answered left this process. */
  readonly sentAtMs: number;
  /** As the member that answered had seen the store: it may lag behind, it never runs ahead of what was decided. */
  readonly store: StoreIdentity;
}

export interface Granted {
  readonly id: LeaseId;
  readonly ttlMs: number;
  readonly store: StoreIdentity;
}

/** What a store says of a lease; etcd counts in whole seconds and drops the rest. */
export interface LeaseTime {
  /** 0: gone. */
  readonly remainingMs: number;
  readonly grantedMs: number;
}

/**
 * The store, knowing no nouns. Every call is bounded in time by the adapter and rotates to the next endpoint when one does
 * not answer. Reads are linearizable and retried within the call; writes are sent once: to the next endpoint only where no
 * connection could be made.
 * Rejects with `UNAVAILABLE` when no endpoint answered (a write may then have happened), `FORBIDDEN`/`UNAUTHENTICATED` as
 * etcd says, `LIMIT` for a request over etcd's limits, `FULL` for a write to a store out of space. On abort: the signal's reason.
 */
export interface Kv {
  /** The key, or undefined when there's none. */
  get(key: string, signal: AbortSignal): Promise<Found>;
  /** All keys of the prefix at one revision, read in pages; the answer tells that revision. */
  list(prefix: string, signal: AbortSignal): Promise<Listed>;
  /**
   * Applies all writes if all compares hold, else none. A lost compare is a value, not an error. Rejects with `NOT_FOUND` when a
   * put names a lease that is gone, with `INVALID_INPUT` when two writes name one key.
   */
  commit(txn: Transaction, signal: AbortSignal): Promise<Committed>;
  grantLease(ttlMs: number, signal: AbortSignal): Promise<Granted>;
  /**
   * One renewal, asked of the other endpoints too while the first is silent.
   * @param attemptMs how long one endpoint has to answer; the call ends after two and a half of them
   */
  renewLease(id: LeaseId, attemptMs: number, signal: AbortSignal): Promise<Renewed>;
  leaseTimeToLive(id: LeaseId, signal: AbortSignal): Promise<LeaseTime>;
  revokeLease(id: LeaseId, signal: AbortSignal): Promise<void>;
  /**
   * Delivers each change of the range from `fromRevision` on, in order, none lost, none twice, across reconnections. It tells
   * that its connection is lost as soon as it is, and that it goes on before what comes over the next.
   * Resolves when the signal aborts. Rejects with a {@link CompactedError} (`STALE`) when the store has compacted past what was
   * delivered: list again.
   */
  watch(
    range: WatchRange,
    fromRevision: Revision,
    onBatch: (batch: WatchBatch) => void,
    signal: AbortSignal,
  ): Promise<void>;
  identity(signal: AbortSignal): Promise<StoreIdentity>;
  close(): void;
}
