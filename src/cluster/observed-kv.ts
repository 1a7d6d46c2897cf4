import { errorCodeOf } from '../domain/errors.ts';
import type {
  Granted,
  KeyValue,
  Kv,
  LeaseId,
  Renewed,
  Revision,
  StoreIdentity,
  Transaction,
  WatchBatch,
  WatchRange,
} from '../etcd/port.ts';
import type { Clock } from '../loop/clock.ts';
import type { CallKind, StoreHealthMonitor } from './store-health.ts';

const small = { adds: false, isSmall: true } as const;
const large = { adds: false, isSmall: false } as const;

/** The store, with the end of each call told to the monitor. */
export class ObservedKv implements Kv {
  readonly #kv: Kv;
  readonly #monitor: StoreHealthMonitor;
  readonly #clock: Clock;

  constructor(kv: Kv, monitor: StoreHealthMonitor, clock: Clock) {
    this.#kv = kv;
    this.#monitor = monitor;
    this.#clock = clock;
  }

  get(key: string, signal: AbortSignal): Promise<{ kv: KeyValue | undefined; revision: Revision }> {
    return this.#observe({ method: 'get', ...small }, signal, () => this.#kv.get(key, signal));
  }

  list(prefix: string, signal: AbortSignal): Promise<{ kvs: readonly KeyValue[]; revision: Revision }> {
    return this.#observe({ method: 'list', ...large }, signal, () => this.#kv.list(prefix, signal));
  }

  async commit(txn: Transaction, signal: AbortSignal): Promise<{ applied: boolean; revision: Revision }> {
    const puts = txn.writes.some((write) => 'put' in write);
    const isSmall = txn.writes.length < 10;
    let adds = puts;
    return this.#observe(
      () => ({ method: 'commit', adds, isSmall }),
      signal,
      async () => {
        const answer = await this.#kv.commit(txn, signal);
        adds = puts && answer.applied;
        return answer;
      },
    );
  }

  grantLease(ttlMs: number, signal: AbortSignal): Promise<Granted> {
    return this.#observe({ ...small, method: 'grantLease', adds: true }, signal, () =>
      this.#kv.grantLease(ttlMs, signal),
    );
  }

  renewLease(id: LeaseId, attemptMs: number, signal: AbortSignal): Promise<Renewed> {
    return this.#observe({ method: 'renewLease', ...small }, signal, () => this.#kv.renewLease(id, attemptMs, signal));
  }

  leaseTimeToLive(id: LeaseId, signal: AbortSignal): Promise<{ remainingMs: number; grantedMs: number }> {
    return this.#observe({ method: 'leaseTimeToLive', ...small }, signal, () => this.#kv.leaseTimeToLive(id, signal));
  }

  revokeLease(id: LeaseId, signal: AbortSignal): Promise<void> {
    return this.#observe({ method: 'revokeLease', ...small }, signal, () => this.#kv.revokeLease(id, signal));
  }

  identity(signal: AbortSignal): Promise<StoreIdentity> {
    return this.#observe({ method: 'identity', ...small }, signal, () => this.#kv.identity(signal));
  }

  /** Goes on across reconnections: only what ends it is told. */
  async watch(
    range: WatchRange,
    fromRevision: Revision,
    onBatch: (batch: WatchBatch) => void,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await this.#kv.watch(range, fromRevision, onBatch, signal);
    } catch (error) {
      if (errorCodeOf(error) === 'STALE') this.#monitor.failed({ method: 'watch', ...large }, error, 0);
      throw error;
    }
  }

  close(): void {
    this.#kv.close();
  }

  async #observe<T>(kind: CallKind | (() => CallKind), signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    const beganMs = this.#clock.monotonicMs();
    const kindNow = () => (typeof kind === 'function' ? kind() : kind);
    try {
      const answer = await call();
      this.#monitor.answered(kindNow(), this.#clock.monotonicMs() - beganMs);
      return answer;
    } catch (error) {
      if (!signal.aborted) this.#monitor.failed(kindNow(), error, this.#clock.monotonicMs() - beganMs);
      throw error;
    }
  }
}
