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
import { encodeRange } from '../../src/etcd/wire-format.ts';
import { ChildAbort } from '../../src/loop/child-abort.ts';
import type { Clock } from '../../src/loop/clock.ts';
import type { MemoryStore } from './memory-store.ts';
import { MemoryWatch } from './memory-watch.ts';

const unavailable = (action: string) => new AgentError('UNAVAILABLE', `Cannot ${action}: the store can't be reached`);

/** What can be wrong between one client and the store. Set at any time; calls under way notice. */
export interface KvFaults {
  /**
   * `hang`: packets vanish, a call ends when its time is over. `refuse`: it ends at once. `no-answers`: what is sent arrives, and
   * nothing comes back. `no-requests`: nothing that is sent arrives; what a watch tells still does.
   */
  unreachable: 'no' | 'hang' | 'refuse' | 'no-answers' | 'no-requests';
  /** How long the request and its answer travel together. */
  delayMs: number;
  /** So many of the next commits are applied and their answers lost. */
  loseReplies: number;
  /** Those are applied only so much later, after what is written meanwhile. */
  lateByMs: number;
}

/** One client of a {@link MemoryStore}: the port with etcd's semantics, on the store's clock, with faults of its own. */
export class MemoryKv implements Kv {
  readonly name: string;
  /** Calls made, by method: what an idle client must not do. Watches count once, however often they reconnect. */
  readonly calls = new Map<keyof Kv, number>();
  readonly #store: MemoryStore;
  readonly #clock: Clock;
  readonly #faults: KvFaults = { unreachable: 'no', delayMs: 0, loseReplies: 0, lateByMs: 0 };
  readonly #onFault = new Set<() => void>();
  /** How often its connections were lost. */
  #brokenOff = 0;
  readonly #closed = new AbortController();

  constructor(store: MemoryStore, clock: Clock, name: string) {
    this.#store = store;
    this.#clock = clock;
    this.name = name;
  }

  get faults(): Readonly<KvFaults> {
    return this.#faults;
  }

  /** Changes what is wrong from now on. Watches break, and go on when the store can be reached again. */
  setFaults(faults: Partial<KvFaults>): void {
    Object.assign(this.#faults, faults);
    if (this.#isDeaf) this.#brokenOff += 1;
    for (const wake of [...this.#onFault]) wake();
  }

  /** Shorthand for a partition between this client and the store. */
  cutOff(): void {
    this.setFaults({ unreachable: 'hang' });
  }

  reconnect(): void {
    this.setFaults({ unreachable: 'no' });
  }

  get(key: string, signal: AbortSignal): Promise<Found> {
    return this.#read('get', `read "${key}"`, signal, () => ({ kv: this.#store.get(key), ...this.#store.identity() }));
  }

  async list(prefix: string, signal: AbortSignal): Promise<Listed> {
    encodeRange({ prefix });
    const read = () => ({ kvs: this.#store.list(prefix), ...this.#store.identity() });
    return this.#read('list', `list "${prefix}"`, signal, read);
  }

  commit(txn: Transaction, signal: AbortSignal): Promise<Committed> {
    const isLate = this.#faults.loseReplies > 0 && this.#faults.lateByMs > 0;
    const act = () => {
      if (isLate) this.#store.commitLater(txn, this.#faults.lateByMs);
      const { applied } = isLate ? { applied: false } : this.#store.commit(txn); // of a late one nobody hears
      return { applied, ...this.#store.identity() };
    };
    return this.#write('commit', 'commit', signal, act);
  }

  grantLease(ttlMs: number, signal: AbortSignal): Promise<Granted> {
    return this.#write('grantLease', 'grant a lease', signal, () => this.#store.grantLease(ttlMs));
  }

  renewLease(id: LeaseId, attemptMs: number, signal: AbortSignal): Promise<Renewed> {
    const sentAtMs = this.#clock.monotonicMs();
    const renew = () => ({ ttlMs: this.#store.renewLease(id), sentAtMs, store: this.#store.identity() });
    this.#count('renewLease');
    return this.#once(`renew lease "${id}"`, signal, renew, { attemptMs });
  }

  leaseTimeToLive(id: LeaseId, signal: AbortSignal): Promise<{ remainingMs: number; grantedMs: number }> {
    return this.#read('leaseTimeToLive', `read lease "${id}"`, signal, () => this.#store.leaseTimeToLive(id));
  }

  revokeLease(id: LeaseId, signal: AbortSignal): Promise<void> {
    return this.#read('revokeLease', `revoke lease "${id}"`, signal, () => this.#store.revokeLease(id));
  }

  identity(signal: AbortSignal): Promise<StoreIdentity> {
    return this.#read('identity', 'read the identity of the store', signal, () => this.#store.identity());
  }

  async watch(
    range: WatchRange,
    fromRevision: Revision,
    onBatch: (batch: WatchBatch) => void,
    signal: AbortSignal,
  ): Promise<void> {
    this.#count('watch');
    encodeRange(range);
    if (fromRevision < 1) throw new AgentError('INVALID_INPUT', 'Cannot watch: expected a revision from 1 on');
    const connection = {
      store: this.#store,
      number: () => this.#connection,
      isCut: () => this.#isCut,
      isDeaf: () => this.#isDeaf,
      isClosed: () => this.#closed.signal.aborted,
      travel: () => this.#travel(signal),
      change: () => this.#waitForChange(range, signal),
    };
    await new MemoryWatch(connection, range, fromRevision, onBatch).run(signal);
  }

  /** Ends its watches; later calls fail. */
  close(): void {
    this.#closed.abort();
    for (const wake of [...this.#onFault]) wake();
  }

  /** Until the range or what is wrong with this client changes, or the signal aborts. */
  #waitForChange(range: WatchRange, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#onFault.delete(wake);
        unsubscribe();
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const unsubscribe = this.#store.onChange(range, wake);
      this.#onFault.add(wake);
      signal.addEventListener('abort', wake, { once: true });
      if (signal.aborted) wake();
    });
  }

  /** Each has a greater number than the one before. */
  get #connection(): number {
    return this.#brokenOff + this.#store.restored;
  }

  /** No connection can be made. */
  get #isCut(): boolean {
    return this.#faults.unreachable !== 'no' || this.#store.isDown;
  }

  /** Nothing that the store sends comes here. */
  get #isDeaf(): boolean {
    return this.#isCut && (this.#faults.unreachable !== 'no-requests' || this.#store.isDown);
  }

  /** Nothing that is sent from here reaches the store. */
  get #isMute(): boolean {
    return this.#isCut && (this.#faults.unreachable !== 'no-answers' || this.#store.isDown);
  }

  /** Takes a microtask at least: nothing comes before the caller awaits it. What is on its way is there as soon as the way is short. */
  async #travel(signal: AbortSignal): Promise<void> {
    const sentAtMs = this.#clock.monotonicMs();
    await Promise.resolve();
    while (!signal.aborted) {
      const leftMs = sentAtMs + this.#faults.delayMs - this.#clock.monotonicMs();
      if (leftMs <= 0) return;
      using turn = new ChildAbort(signal);
      const wake = () => turn.abort();
      this.#onFault.add(wake);
      await this.#clock.sleep(leftMs, turn.signal);
      this.#onFault.delete(wake);
    }
  }

  /** Again until the call's time is over. */
  async #read<T>(method: keyof Kv, action: string, signal: AbortSignal, act: () => T): Promise<T> {
    const untilMs = this.#clock.monotonicMs() + this.#store.callMs;
    this.#count(method);
    for (;;) {
      try {
        return await this.#once(action, signal, act);
      } catch (error) {
        if (!(error instanceof AgentError && error.code === 'UNAVAILABLE')) throw error;
        if (this.#clock.monotonicMs() + 100 > untilMs || this.#closed.signal.aborted) throw error;
        await this.#clock.sleep(100, signal);
        signal.throwIfAborted();
      }
    }
  }

  /** Sent once: as a write it may have been applied when it fails. */
  #write<T>(method: keyof Kv, action: string, signal: AbortSignal, act: () => T): Promise<T> {
    this.#count(method);
    const loses = method === 'commit' && this.#faults.loseReplies > 0;
    if (loses) this.#faults.loseReplies -= 1;
    return this.#once(action, signal, act, { losesReply: loses });
  }

  async #once<T>(
    action: string,
    signal: AbortSignal,
    act: () => T,
    { losesReply = false, attemptMs = this.#store.attemptMs } = {},
  ): Promise<T> {
    signal.throwIfAborted();
    if (this.#closed.signal.aborted) throw unavailable(action);
    const endsAtMs = this.#clock.monotonicMs() + attemptMs;
    const { delayMs } = this.#faults;
    await this.#part(delayMs / 2, endsAtMs, action, () => this.#isMute, signal);
    const result = act();
    if (losesReply) await this.#timeOut(endsAtMs, action, signal);
    await this.#part(delayMs / 2, endsAtMs, action, () => this.#isDeaf, signal);
    return result;
  }

  /** One way of a call; fails where the network does, or when the attempt's time is over. */
  async #part(ms: number, endsAtMs: number, action: string, isCut: () => boolean, signal: AbortSignal): Promise<void> {
    if (ms > 0) await this.#clock.sleep(Math.min(ms, endsAtMs - this.#clock.monotonicMs()), signal);
    else await Promise.resolve();
    signal.throwIfAborted();
    if (this.#faults.unreachable === 'refuse') throw unavailable(action);
    if (isCut() || (ms > 0 && this.#clock.monotonicMs() >= endsAtMs)) await this.#timeOut(endsAtMs, action, signal);
  }

  async #timeOut(endsAtMs: number, action: string, signal: AbortSignal): Promise<never> {
    await this.#clock.sleep(Math.max(0, endsAtMs - this.#clock.monotonicMs()), signal);
    signal.throwIfAborted();
    throw unavailable(action);
  }

  #count(method: keyof Kv): void {
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
  }
}
