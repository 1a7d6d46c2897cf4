import { assignmentCodec, specCodec } from '../../src/cluster/codecs.ts';
import type { InstanceKey } from '../../src/domain/ids.ts';
import { makeRunHash } from '../../src/domain/run-hash.ts';
import type { Assignment, DisconnectMode } from '../../src/domain/spec.ts';
import type { Clock } from '../../src/loop/clock.ts';
import type { MemoryStore } from '../support/memory-store.ts';

/** An order as it once was in the store. */
export interface PastOrder {
  readonly atMs: number;
  readonly order: 'run' | 'stop';
  /** Its instance is to be installed and not started. */
  readonly isLoad: boolean;
  readonly disconnect: DisconnectMode;
  /** The hash of the spec that it names, and of its restart. */
  readonly specHash: string | undefined;
  /** Another copy has replaced it. */
  readonly isSuperseded: boolean;
}

/** An order that has just been written. */
export interface NewOrder {
  /** The assignment's key. */
  readonly key: string;
  readonly instance: InstanceKey;
  readonly assignment: Assignment;
  /** There was no order for this instance on this node just before. */
  readonly isFirst: boolean;
  /** The one that was written before it, if ever. */
  readonly before: PastOrder | undefined;
}

/**
 * Every order that was ever in the store, so that what a node does can be held against what it was told. What a store says that
 * was set back isn't an order until somebody has confirmed it.
 */
export class OrderHistory {
  /** Called with each new order. */
  onOrder: (order: NewOrder) => void = () => {};
  readonly #store: MemoryStore;
  readonly #clock: Clock;
  readonly #orders = new Map<string, PastOrder[]>();
  readonly #hashes = new Map<string, string>();
  readonly #presenceChanges = new Map<string, number>();
  #from = 1;
  #isInDoubt = false;
  /** When the store that is in doubt was set back. */
  doubtAtMs = 0;
  /** When a store that was set back was last confirmed; 0: never. */
  trustedAtMs = 0;

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

  /** Whether the store is one that was set back, and that nobody has confirmed yet. */
  get isInDoubt(): boolean {
    return this.#isInDoubt;
  }

  /** The store is about to be set back. */
  doubt(): void {
    this.#isInDoubt = true;
    this.doubtAtMs = this.#clock.monotonicMs();
  }

  /** It counts from now on, with all that it holds. */
  trust(): void {
    this.#isInDoubt = false;
    this.trustedAtMs = this.#clock.monotonicMs();
    this.#from = this.#store.revision + 1;
    // An order's spec is to be known before it.
    const found = this.#store.list('/').sort((one, other) => one.modRevision - other.modRevision);
    for (const { key, value } of found) this.#take(key, value, false);
  }

  #read(): void {
    if (this.#isInDoubt) return;
    const { events, revision } = this.#store.eventsFrom({ prefix: '/' }, this.#from);
    this.#from = revision + 1;
    for (const { type, kv } of events) {
      if (kv.key.endsWith('/presence')) this.#presenceChanges.set(kv.key, this.#clock.monotonicMs());
      if (type === 'put') this.#take(kv.key, kv.value, kv.createRevision === kv.modRevision);
    }
  }

  #take(key: string, value: string, isFirst: boolean): void {
    const [, root, cluster, kind, node, workload, slot] = key.split('/');
    if (kind === 'specs') this.#hashes.set(key, specCodec.decode(value, key).hash);
    if (kind !== 'assignments') return;
    if (node === undefined || workload === undefined) throw new Error(`Not a key of an assignment: ${key}`);
    const assignment = assignmentCodec.decode(value, key);
    const { order, spec, disconnect, restart, launch } = assignment;
    const specKey = `/${root}/${cluster}/specs/${workload}/${String(spec).padStart(10, '0')}`;
    const hash = this.#hashes.get(specKey);
    const specHash = hash === undefined ? undefined : makeRunHash(hash, restart);
    const isSuperseded = assignment.superseded === true;
    const isLoad = launch === false;
    const past = { atMs: this.#clock.monotonicMs(), order, isLoad, disconnect, specHash, isSuperseded };
    const before = this.of(key).at(-1);
    this.#orders.set(key, [...this.of(key), past]);
    this.onOrder({ key, instance: `${workload}/${slot}` as InstanceKey, assignment, isFirst, before });
  }
}
