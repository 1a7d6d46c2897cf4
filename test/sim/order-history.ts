import { assignmentCodec, specCodec } from '../../src/cluster/codecs.ts';
import type { Clock } from '../../src/loop/clock.ts';
import type { MemoryStore } from '../support/memory-store.ts';

/** An order as it once was in the store. */
export interface PastOrder {
  readonly atMs: number;
  readonly order: 'run' | 'stop';
  /** The hash of the spec that it names. */
  readonly specHash: string | undefined;
}

/** Every order that was ever in the store, so that what a node does can be held against what it was told. */
export class OrderHistory {
  readonly #store: MemoryStore;
  readonly #clock: Clock;
  readonly #orders = new Map<string, PastOrder[]>();
  readonly #hashes = new Map<string, string>();
  readonly #presenceChanges = new Map<string, number>();
  #from = 1;

  constructor(store: MemoryStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    store.onChange({ prefix: '/' }, () => this.#read());
  }

  /** The orders of one assignment's key, oldest first. */
  of(key: string): readonly PastOrder[] {
    return this.#orders.get(key) ?? [];
  }

  /** When the key of a presence was last written or deleted. */
  presenceChangedAtMs(key: string): number {
    return this.#presenceChanges.get(key) ?? Number.NEGATIVE_INFINITY;
  }

  #read(): void {
    const { events, revision } = this.#store.eventsFrom({ prefix: '/' }, this.#from);
    this.#from = revision + 1;
    for (const { type, kv } of events) {
      if (kv.key.endsWith('/presence')) this.#presenceChanges.set(kv.key, this.#clock.monotonicMs());
      if (type !== 'put') continue;
      const [, root, cluster, kind, node, workload] = kv.key.split('/');
      if (kind === 'specs') this.#hashes.set(kv.key, specCodec.decode(kv.value, kv.key).hash);
      if (kind !== 'assignments') continue;
      const { order, spec } = assignmentCodec.decode(kv.value, kv.key);
      const specKey = `/${root}/${cluster}/specs/${workload}/${String(spec).padStart(10, '0')}`;
      const past = { atMs: this.#clock.monotonicMs(), order, specHash: this.#hashes.get(specKey) };
      this.#orders.set(kv.key, [...this.of(kv.key), past]);
      if (node === undefined) throw new Error(`Not a key of an assignment: ${kv.key}`);
    }
  }
}
