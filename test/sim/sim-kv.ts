import { AgentError } from '../../src/domain/errors.ts';
import type {
  Committed,
  Found,
  Granted,
  Kv,
  LeaseId,
  Listed,
  Renewed,
  Revision,
  StoreIdentity,
  Transaction,
  WatchBatch,
  WatchRange,
} from '../../src/etcd/port.ts';
import type { MemoryKv } from '../support/memory-kv.ts';
import type { CrashSide } from './crash-plan.ts';
import type { SimProcess } from './sim-process.ts';

/** How long a lost answer is waited for. */
const ANSWER_MS = 2_000;

/** A call that nobody makes any more. */
const forEver = () => new Promise<never>(() => {});

/** What the simulation learns of a process's traffic with the store. */
export interface KvTap {
  /** Each key or prefix that it reads, compares, writes or watches. */
  readonly onKey: (key: string) => void;
  /** A lease was renewed and this process has been told. A new lease says nothing yet: presence must be bound to it. */
  readonly onLease: (sentAtMs: number) => void;
  /** It has been told that the store is so far. */
  readonly onRevision: (revision: Revision) => void;
  /** It's about to send a write (a renewal is none): where in it the process is to end, if it is. */
  readonly onWrite: (what: string) => CrashSide | undefined;
  /** Ends the process this instant. */
  readonly crash: () => void;
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

  get(key: string, signal: AbortSignal): Promise<Found> {
    this.#tap.onKey(key);
    return this.#heard(this.#call(signal, (stop) => this.#kv.get(key, stop)));
  }

  list(prefix: string, signal: AbortSignal): Promise<Listed> {
    this.#tap.onKey(prefix);
    return this.#heard(this.#call(signal, (stop) => this.#kv.list(prefix, stop)));
  }

  commit(txn: Transaction, signal: AbortSignal): Promise<Committed> {
    for (const { key } of txn.compares) this.#tap.onKey(key);
    for (const write of txn.writes) this.#tap.onKey('put' in write ? write.put : write.delete);
    const what = txn.writes.map((write) => ('put' in write ? `put ${write.put}` : `delete ${write.delete}`)).join(', ');
    return this.#heard(this.#write(what, signal, (stop) => this.#kv.commit(txn, stop)));
  }

  grantLease(ttlMs: number, signal: AbortSignal): Promise<Granted> {
    return this.#write(`grant ${ttlMs} ms`, signal, (stop) => this.#kv.grantLease(ttlMs, stop));
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
    return this.#write(`revoke ${id}`, signal, (stop) => this.#kv.revokeLease(id, stop));
  }

  identity(signal: AbortSignal): Promise<StoreIdentity> {
    return this.#heard(this.#call(signal, (stop) => this.#kv.identity(stop)));
  }

  watch(
    range: WatchRange,
    fromRevision: Revision,
    onBatch: (batch: WatchBatch) => void,
    signal: AbortSignal,
  ): Promise<void> {
    this.#tap.onKey('key' in range ? range.key : range.prefix);
    const options = { tag: 'store', signal, endsWithProcess: true };
    const deliver = (batch: WatchBatch) =>
      this.#process.deliver(() => {
        if (batch.connection === undefined) this.#tap.onRevision(batch.revision); // that one tells only what was delivered before
        onBatch(batch);
      });
    return this.#process.call(options, (stop) => this.#kv.watch(range, fromRevision, deliver, stop));
  }

  close(): void {
    this.#kv.close();
  }

  async #heard<T extends { readonly revision: Revision }>(answer: Promise<T>): Promise<T> {
    const told = await answer;
    this.#tap.onRevision(told.revision);
    return told;
  }

  /** A write, in which the process may have to end. */
  async #write<T>(what: string, signal: AbortSignal, begin: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const side = this.#tap.onWrite(what);
    if (side === 'before') this.#tap.crash();
    if (side === undefined || side === 'before') return this.#call(signal, side === undefined ? begin : forEver);
    if (side === 'after') {
      const answer = await this.#call(signal, begin);
      setImmediate(() => this.#tap.crash());
      return answer;
    }
    return this.#call(signal, async (stop) => {
      const answer = await begin(stop);
      if (side === 'unheard') this.#tap.crash();
      else await this.#loseAnswer(what, stop);
      return answer;
    });
  }

  async #loseAnswer(what: string, signal: AbortSignal): Promise<never> {
    await this.#process.clock.sleep(ANSWER_MS, signal);
    signal.throwIfAborted();
    throw new AgentError('UNAVAILABLE', `Cannot ${what}: the answer was lost`);
  }

  #call<T>(signal: AbortSignal, begin: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#process.call({ tag: 'store', signal }, begin);
  }
}
