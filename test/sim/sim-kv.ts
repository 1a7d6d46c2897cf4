import type {
  Granted,
  KeyValue,
  Kv,
  LeaseId,
  Range,
  Renewed,
  Revision,
  StoreIdentity,
  Transaction,
  WatchBatch,
} from '../../src/etcd/port.ts';
import type { MemoryKv } from '../support/memory-kv.ts';
import type { SimProcess } from './sim-process.ts';

/** What the simulation learns of a process's traffic with the store. */
export interface KvTap {
  /** Each key or prefix that it reads, compares, writes or watches. */
  readonly onKey: (key: string) => void;
  /** A lease was renewed and this process has been told. A new lease says nothing yet: presence must be bound to it. */
  readonly onLease: (sentAtMs: number) => void;
}

/** A simulated process's client of the store. */
export class SimKv implements Kv {
  readonly #kv: MemoryKv;
  readonly #process: SimProcess;
  readonly #tap: KvTap;

  constructor(kv: MemoryKv, process: SimProcess, tap: KvTap) {
    this.#kv = kv;
    this.#process = process;
    this.#tap = tap;
  }

  get(key: string, signal: AbortSignal): Promise<{ kv: KeyValue | undefined; revision: Revision }> {
    this.#tap.onKey(key);
    return this.#call(signal, (stop) => this.#kv.get(key, stop));
  }

  list(prefix: string, signal: AbortSignal): Promise<{ kvs: readonly KeyValue[]; revision: Revision }> {
    this.#tap.onKey(prefix);
    return this.#call(signal, (stop) => this.#kv.list(prefix, stop));
  }

  commit(txn: Transaction, signal: AbortSignal): Promise<{ applied: boolean; revision: Revision }> {
    for (const { key } of txn.compares) this.#tap.onKey(key);
    for (const write of txn.writes) this.#tap.onKey('put' in write ? write.put : write.delete);
    return this.#call(signal, (stop) => this.#kv.commit(txn, stop));
  }

  grantLease(ttlMs: number, signal: AbortSignal): Promise<Granted> {
    return this.#call(signal, (stop) => this.#kv.grantLease(ttlMs, stop));
  }

  async renewLease(id: LeaseId, attemptMs: number, signal: AbortSignal): Promise<Renewed> {
    const renewed = await this.#call(signal, (stop) => this.#kv.renewLease(id, attemptMs, stop));
    if (renewed.ttlMs > 0) this.#tap.onLease(renewed.sentAtMs);
    return renewed;
  }

  /** etcd tells whole seconds, cut off. */
  async leaseTimeToLive(id: LeaseId, signal: AbortSignal): Promise<{ remainingMs: number; grantedMs: number }> {
    const { remainingMs, grantedMs } = await this.#call(signal, (stop) => this.#kv.leaseTimeToLive(id, stop));
    return { remainingMs: Math.floor(remainingMs / 1_000) * 1_000, grantedMs };
  }

  revokeLease(id: LeaseId, signal: AbortSignal): Promise<void> {
    return this.#call(signal, (stop) => this.#kv.revokeLease(id, stop));
  }

  identity(signal: AbortSignal): Promise<StoreIdentity> {
    return this.#call(signal, (stop) => this.#kv.identity(stop));
  }

  watch(
    range: Range,
    fromRevision: Revision,
    onBatch: (batch: WatchBatch) => void,
    signal: AbortSignal,
  ): Promise<void> {
    this.#tap.onKey('key' in range ? range.key : range.prefix);
    const options = { tag: 'store', signal, endsWithProcess: true };
    const deliver = (batch: WatchBatch) => this.#process.deliver(() => onBatch(batch));
    return this.#process.call(options, (stop) => this.#kv.watch(range, fromRevision, deliver, stop));
  }

  close(): void {
    this.#kv.close();
  }

  #call<T>(signal: AbortSignal, begin: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#process.call({ tag: 'store', signal }, begin);
  }
}
