import { AgentError } from '../domain/errors.ts';
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
} from '../etcd/port.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { Clock } from '../loop/clock.ts';
import type { StoreTrust } from './store-trust.ts';

/** A call waits so long for the store to be trusted, as it would wait for one that doesn't answer. */
const WAIT_MS = 5_000;

/**
 * The store for all that acts on what it says. While it's in doubt it is as if it were away: calls end `UNAVAILABLE`, watches
 * break, and begin anew from a list once it's trusted again. While something speaks against it, as the loss of a connection does, calls
 * and what watches tell wait for the look that clears it up. An answer from before what was known is never passed on.
 */
export class TrustedKv implements Kv {
  readonly #kv: Kv;
  readonly #trust: StoreTrust;
  readonly #clock: Clock;

  constructor(kv: Kv, trust: StoreTrust, clock: Clock) {
    this.#kv = kv;
    this.#trust = trust;
    this.#clock = clock;
  }

  get(key: string, signal: AbortSignal): Promise<Found> {
    return this.#checked(signal, () => this.#kv.get(key, signal));
  }

  list(prefix: string, signal: AbortSignal): Promise<Listed> {
    return this.#checked(signal, () => this.#kv.list(prefix, signal));
  }

  commit(txn: Transaction, signal: AbortSignal): Promise<Committed> {
    return this.#checked(signal, () => this.#kv.commit(txn, signal));
  }

  async grantLease(ttlMs: number, signal: AbortSignal): Promise<Granted> {
    await this.#clear(signal);
    return this.#kv.grantLease(ttlMs, signal);
  }

  async renewLease(id: LeaseId, attemptMs: number, signal: AbortSignal): Promise<Renewed> {
    await this.#clear(signal);
    return this.#kv.renewLease(id, attemptMs, signal);
  }

  async leaseTimeToLive(id: LeaseId, signal: AbortSignal): Promise<{ remainingMs: number; grantedMs: number }> {
    await this.#clear(signal);
    return this.#kv.leaseTimeToLive(id, signal);
  }

  async revokeLease(id: LeaseId, signal: AbortSignal): Promise<void> {
    await this.#clear(signal);
    await this.#kv.revokeLease(id, signal);
  }

  identity(signal: AbortSignal): Promise<StoreIdentity> {
    return this.#kv.identity(signal);
  }

  async watch(
    range: WatchRange,
    fromRevision: Revision,
    onBatch: (batch: WatchBatch) => void,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#clear(signal);
    using stop = new ChildAbort(signal);
    const unwatch = this.#trust.onLost(() => stop.abort(this.#untrusted()));
    const take = this.#taker(onBatch, stop);
    try {
      await this.#kv.watch(range, fromRevision, take, stop.signal);
    } catch (error) {
      if (stop.signal.aborted) throw stop.signal.reason;
      this.#trust.suspect(); // what is listed next may be of another
      stop.abort(error); // nothing that is held is told any more
      throw error;
    } finally {
      unwatch();
    }
    if (!signal.aborted && stop.signal.aborted) throw stop.signal.reason;
  }

  /** Ends the store below it too. */
  close(): void {
    this.#kv.close();
  }

  /** An answer is as good as the look at the store that follows it, where something has come to speak against that meanwhile. */
  async #checked<T extends StoreIdentity>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    await this.#clear(signal);
    return this.#trust.checked(async () => {
      const answer = await call();
      await this.#clear(signal);
      return answer;
    });
  }

  /** Passes batches on, in order: those that come while something speaks against the store once that is cleared up. */
  #taker(onBatch: (batch: WatchBatch) => void, stop: ChildAbort): (batch: WatchBatch) => void {
    const trust = this.#trust;
    const held: WatchBatch[] = [];
    const pass = (batch: WatchBatch) => {
      trust.noteRevision(batch.revision);
      onBatch(batch);
    };
    const passHeld = async () => {
      await trust.untilClear(stop.signal);
      for (const batch of held.splice(0)) if (!stop.signal.aborted) pass(batch);
    };
    return (batch) => {
      if (stop.signal.aborted) return;
      if (batch.connection !== undefined) this.#noteConnection(batch.connection, held, stop);
      if (trust.isClear && held.length === 0) pass(batch);
      else if (held.push(batch) === 1) passHeld().catch((error: unknown) => stop.abort(error));
    };
  }

  /** What came over a connection that is lost, and isn't cleared up yet, may be of another store than what follows: then it's all listed anew. */
  #noteConnection(
    connection: NonNullable<WatchBatch['connection']>,
    held: readonly WatchBatch[],
    stop: ChildAbort,
  ): void {
    this.#trust.suspect();
    const isForeign = connection !== 'lost' && this.#trust.isForeign(connection);
    if (isForeign || held.some(({ events }) => events.length > 0)) stop.abort(this.#untrusted());
  }

  async #clear(signal: AbortSignal): Promise<void> {
    if (this.#trust.isClear) return;
    signal.throwIfAborted();
    using limit = new ChildAbort(signal);
    const cancel = this.#clock.after(WAIT_MS, () => limit.abort());
    await this.#trust.untilClear(limit.signal);
    cancel();
    signal.throwIfAborted();
    if (!this.#trust.isClear) throw this.#untrusted();
  }

  #untrusted(): AgentError {
    const { doubt } = this.#trust;
    return new AgentError(
      'UNAVAILABLE',
      `Cannot use etcd: ${doubt ?? 'it has not been looked at yet since a connection to it was lost'}`,
    );
  }
}
