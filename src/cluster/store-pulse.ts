import type { Granted, Kv, LeaseId } from '../etcd/port.ts';
import type { Clock } from '../loop/clock.ts';

/** A time for which the store answered nobody. */
export interface Outage {
  /** Monotonic. */
  readonly endedAtMs: number;
  readonly lengthMs: number;
}

/** An unrenewed lease lives a little longer than its TTL: etcd looks for such each half second, and agrees on it. */
const OUTLIVED = 1.2;

/**
 * How the store does, from the answers that this agent's own leases get anyway: it costs no request. Lives as long as the process, so that
 * a leader knows also what was before its term.
 */
export class StorePulse {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #listeners = new Set<() => void>();
  #raftTerm: number | undefined;
  #electedAtMs: number | undefined;
  #last: { readonly lease: LeaseId; readonly atMs: number } | undefined;
  #outage: Outage | undefined;

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** When the last election of the store was noticed, on the monotonic clock; undefined: none since this process began. */
  get electedAtMs(): number | undefined {
    return this.#electedAtMs;
  }

  /**
   * The last time that the store was away from everyone: this agent's lease was not renewed for longer than its TTL and lives, so
   * that the store itself can't have counted. An agent that was cut off or frozen finds its lease gone, and tells of no outage.
   */
  get outage(): Outage | undefined {
    return this.#outage;
  }

  /** Calls after each election that is noticed; returns the way to stop that. */
  onElection(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A lease was granted, or a renewal of it answered. */
  answered(lease: LeaseId, { ttlMs, store: { raftTerm } }: Pick<Granted, 'ttlMs' | 'store'>): void {
    const nowMs = this.#clock.monotonicMs();
    const last = this.#last?.lease === lease ? this.#last : undefined;
    this.#last = { lease, atMs: nowMs };
    if (ttlMs > 0 && last !== undefined && nowMs - last.atMs > OUTLIVED * ttlMs)
      this.#outage = { endedAtMs: nowMs, lengthMs: nowMs - last.atMs };
    const before = this.#raftTerm;
    // A member that lags behind may answer from an older term.
    if (before !== undefined && raftTerm <= before) return;
    this.#raftTerm = raftTerm;
    if (before === undefined) return;
    this.#electedAtMs = nowMs;
    for (const listener of [...this.#listeners]) listener();
  }
}

/** The store as it is, with what it answers of leases told to the pulse. */
export function tapLeases(kv: Kv, pulse: StorePulse): Kv {
  return {
    get: (key, signal) => kv.get(key, signal),
    list: (prefix, signal) => kv.list(prefix, signal),
    commit: (txn, signal) => kv.commit(txn, signal),
    grantLease: async (ttlMs, signal) => {
      const granted = await kv.grantLease(ttlMs, signal);
      pulse.answered(granted.id, granted);
      return granted;
    },
    renewLease: async (id, attemptMs, signal) => {
      const renewed = await kv.renewLease(id, attemptMs, signal);
      pulse.answered(id, renewed);
      return renewed;
    },
    leaseTimeToLive: (id, signal) => kv.leaseTimeToLive(id, signal),
    revokeLease: (id, signal) => kv.revokeLease(id, signal),
    watch: (range, fromRevision, onBatch, signal) => kv.watch(range, fromRevision, onBatch, signal),
    identity: (signal) => kv.identity(signal),
    close: () => kv.close(),
  };
}
