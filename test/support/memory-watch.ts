import { AgentError } from '../../src/domain/errors.ts';
import {
  CompactedError,
  type Revision,
  type WatchBatch,
  type WatchEvent,
  type WatchRange,
} from '../../src/etcd/port.ts';
import type { MemoryStore } from './memory-store.ts';

/** What a watch needs to know of the way between its client and the store. */
export interface Connection {
  readonly store: MemoryStore;
  /** Each connection has a greater one than the one before. */
  readonly number: () => number;
  /** No connection can be made. */
  readonly isCut: () => boolean;
  /** Nothing that the store sends comes here. */
  readonly isDeaf: () => boolean;
  readonly isClosed: () => boolean;
  /** Takes the time of the way. */
  readonly travel: () => Promise<void>;
  /** Until the range, or what is wrong with the way, changes, or the watch ends. */
  readonly change: () => Promise<void>;
}

/** One watch of a {@link MemoryStore} over all its connections, as etcd has them. */
export class MemoryWatch {
  readonly #connection: Connection;
  readonly #range: WatchRange;
  readonly #onBatch: (batch: WatchBatch) => void;
  /** The first revision that wasn't delivered. */
  #next: Revision;
  #isLost = false;

  constructor(connection: Connection, range: WatchRange, from: Revision, onBatch: (batch: WatchBatch) => void) {
    this.#connection = connection;
    this.#range = range;
    this.#next = from;
    this.#onBatch = onBatch;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { isCut, isClosed, number, change } = this.#connection;
    const first = number();
    while (!signal.aborted) {
      if (isClosed()) throw new AgentError('UNAVAILABLE', "Cannot watch: the store can't be reached");
      if (isCut()) this.#lose();
      if (isCut()) await change();
      else await this.#follow(first, signal);
    }
  }

  /**
   * One connection's worth. A synced watch outlives compaction: the store sends each event when it happens, however long it then
   * travels.
   */
  async #follow(first: number, signal: AbortSignal): Promise<void> {
    const { store, travel, isCut, number } = this.#connection;
    await travel();
    if (isCut() || signal.aborted) return;
    const own = number();
    if (own > first) this.#lose();
    if (this.#isLost) this.#tell(store.identity());
    this.#isLost = false;
    if (this.#next < store.compactedAt) {
      const { compactedAt } = store;
      throw new CompactedError(
        `Cannot watch from ${this.#next}: the store is compacted to ${compactedAt}`,
        compactedAt,
      );
    }
    let scan = this.#next;
    const sent: WatchEvent[][] = [];
    const send = () => {
      const { events, revision } = store.eventsFrom(this.#range, scan);
      scan = Math.max(scan, revision + 1);
      if (events.length > 0) sent.push(events);
    };
    const unsubscribe = store.onChange(this.#range, send);
    try {
      send();
      await this.#deliver(own, sent, signal);
    } finally {
      unsubscribe();
    }
  }

  /** What is sent comes here, until the connection breaks. */
  async #deliver(own: number, sent: WatchEvent[][], signal: AbortSignal): Promise<void> {
    const { travel, isDeaf, isClosed, number, change } = this.#connection;
    for (;;) {
      if (sent.length > 0) await travel();
      if (signal.aborted || isClosed()) return;
      if (isDeaf() || number() > own) {
        this.#lose();
        return;
      }
      const events = sent.splice(0).flat();
      const last = events.at(-1);
      if (last) {
        this.#next = last.kv.modRevision + 1;
        this.#onBatch({ revision: last.kv.modRevision, events });
      }
      if (sent.length === 0) await change();
    }
  }

  /** Told once, until it goes on. */
  #lose(): void {
    if (!this.#isLost) this.#tell('lost');
    this.#isLost = true;
  }

  #tell(connection: NonNullable<WatchBatch['connection']>): void {
    this.#onBatch({ revision: this.#next - 1, events: [], connection });
  }
}
