import { specCodec } from '../cluster/codecs.ts';
import type { Layout } from '../cluster/layout.ts';
import { AgentError, errorCodeOf, errorText } from '../domain/errors.ts';
import { type InstanceKey, splitInstanceKey, type WorkloadName } from '../domain/ids.ts';
import { makeRunHash } from '../domain/run-hash.ts';
import type { StoredSpec } from '../domain/spec.ts';
import type { Kv } from '../etcd/port.ts';
import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';
import type { Order } from './order-book.ts';

/** A spec, that it is being read, or why it can't be. */
export type SpecReading =
  | { readonly kind: 'read'; readonly spec: StoredSpec }
  | { readonly kind: 'reading' }
  | { readonly kind: 'failed'; readonly error: string; readonly failures: number; readonly retryAtMs: number };

/** The specs of all orders to run, and when the first that failed may be asked for again. */
export interface SpecReadings {
  readonly readings: ReadonlyMap<InstanceKey, SpecReading>;
  readonly retryAtMs: number | undefined;
}

/** A spec that isn't there, or is garbage, will hardly change: it's asked for less and less often. */
const RETRY = { firstMs: 2_000, maxMs: 60_000, jitter: 0.2 } as const;
/** A store that was away may be back any moment. */
const AWAY_MAX_MS = 8_000;

/** What runs is told apart by its spec and by the restart that was ordered of it: both are in the hash that its order asks for. */
function ofRestart(reading: SpecReading, restart: number | undefined): SpecReading {
  if (reading.kind !== 'read' || restart === undefined) return reading;
  return { kind: 'read', spec: { ...reading.spec, hash: makeRunHash(reading.spec.hash, restart) } };
}

/** Reads specs once and keeps them: they never change, but for a store that was set back and confirmed, which is of a new epoch. */
export class SpecReader {
  readonly #kv: Kv;
  readonly #layout: Layout;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #onRead: () => void;
  /** Reads under way; none rejects. */
  readonly #inFlight = new Set<Promise<void>>();
  readonly #readings = new Map<string, SpecReading>();
  readonly #epochNow: () => number;
  #epoch = 0;

  constructor(options: {
    readonly kv: Kv;
    readonly layout: Layout;
    readonly clock: Clock;
    readonly random: () => number;
    readonly onRead: () => void;
    /** The cluster's; left out: it doesn't change. */
    readonly epoch?: () => number;
  }) {
    this.#kv = options.kv;
    this.#layout = options.layout;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#onRead = options.onRead;
    this.#epochNow = options.epoch ?? (() => 0);
  }

  /** The spec if it has been read; else begins to read it, and `onRead` follows. A failure is tried again, first after 2 s. */
  get(workload: WorkloadName, number: number, signal: AbortSignal): SpecReading {
    const path = this.#layout.spec(workload, number);
    const known = this.#readings.get(path);
    const isDue = known?.kind === 'failed' && this.#clock.monotonicMs() >= known.retryAtMs;
    if (known !== undefined && !isDue) return known;
    const begun: SpecReading = isDue ? { ...known, retryAtMs: Number.POSITIVE_INFINITY } : { kind: 'reading' };
    this.#readings.set(path, begun);
    const reading = this.#read(path, signal).finally(() => this.#inFlight.delete(reading));
    this.#inFlight.add(reading);
    return begun;
  }

  /** As {@link get} for each order to run. What none of them names is forgotten, so that the cache doesn't grow over days. */
  readAll(orders: Iterable<Order>, signal: AbortSignal): SpecReadings {
    this.#forgetEarlierEpoch();
    const readings = new Map<InstanceKey, SpecReading>();
    const used = new Set<string>();
    let retryAtMs: number | undefined;
    for (const { key, assignment } of orders) {
      if (assignment.order !== 'run') continue;
      const { workload } = splitInstanceKey(key);
      const reading = this.get(workload, assignment.spec, signal);
      used.add(this.#layout.spec(workload, assignment.spec));
      readings.set(key, ofRestart(reading, assignment.restart));
      if (reading.kind === 'failed') retryAtMs = Math.min(retryAtMs ?? Number.POSITIVE_INFINITY, reading.retryAtMs);
    }
    for (const path of this.#readings.keys()) if (!used.has(path)) this.#readings.delete(path);
    return { readings, retryAtMs };
  }

  #forgetEarlierEpoch(): void {
    const epoch = this.#epochNow();
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#readings.clear();
  }

  async #read(path: string, signal: AbortSignal): Promise<void> {
    try {
      const { kv } = await this.#kv.get(path, signal);
      if (kv === undefined) throw new AgentError('NOT_FOUND', `Cannot find spec "${path}": expected it in the store`);
      this.#readings.set(path, { kind: 'read', spec: specCodec.decode(kv.value, path) });
    } catch (error) {
      if (signal.aborted) return;
      this.#noteFailure(path, error);
    }
    this.#onRead();
  }

  #noteFailure(path: string, error: unknown): void {
    const before = this.#readings.get(path);
    const failures = before?.kind === 'failed' ? before.failures + 1 : 1;
    const maxMs = errorCodeOf(error) === 'UNAVAILABLE' ? AWAY_MAX_MS : RETRY.maxMs;
    const delayMs = backoffMs(failures, { ...RETRY, maxMs, random: this.#random });
    const retryAtMs = this.#clock.monotonicMs() + delayMs;
    this.#readings.set(path, { kind: 'failed', error: errorText(error), failures, retryAtMs });
  }
}
