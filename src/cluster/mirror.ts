import { errorCodeOf } from '../domain/errors.ts';
import type { KeyValue, Kv, Revision, WatchBatch } from '../etcd/port.ts';
import { backoffMs } from '../loop/backoff.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';

export interface MirrorOptions {
  readonly kv: Kv;
  /** Ends in `/`. */
  readonly prefix: string;
  /** Keys of the range that are kept; absent: all. The others cost their transfer alone. */
  readonly keep?: (key: string) => boolean;
  /** The cluster's: what was listed in an earlier one may be of a store that was set back since. Left out: it doesn't change. */
  readonly epoch?: () => number;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** After each change, with the keys that changed; after a fresh list, `all`. */
  readonly onChange: (changed: ReadonlySet<string> | 'all') => void;
}

/** A range is listed anew at least this often; half of it is drawn at random, so that nodes don't do it together. */
const RELIST_INTERVAL_MS = 3_600_000;
/** A watch that ended sooner has failed at once. */
const STEADY_MS = 1_000;
const timeToList = new Error('it is time to list the range again');

/**
 * A consistent local view of a range: a linearizable list at R, then each event in order from R + 1; listed again on a gap or
 * compaction. It keeps what it had while the store is away, or in doubt (see TrustedKv). It goes back only with a store that was
 * set back and that an operator has confirmed.
 */
export class Mirror {
  readonly #options: MirrorOptions;
  #entries = new Map<string, KeyValue>();
  #revision: Revision = 0;
  #epoch = 0;
  #watching: ChildAbort | undefined;
  #waiters = new Set<{ readonly revision: Revision; readonly done: () => void }>();

  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  /** All keys of the range as of {@link revision}. The same map object until the next fresh list. */
  get entries(): ReadonlyMap<string, KeyValue> {
    return this.#entries;
  }

  /** The store's revision that the entries show; 0 before the first list. */
  get revision(): Revision {
    return this.#revision;
  }

  /** True once it has been listed: before that, absence means nothing. */
  get synced(): boolean {
    return this.#revision > 0;
  }

  /** It has been listed since the cluster's present epoch began. Where it hasn't, it's listed anew, and `onChange` follows. */
  get isOfThisEpoch(): boolean {
    if (this.synced && this.#epoch === this.#epochNow) return true;
    this.#watching?.abort(timeToList);
    return false;
  }

  /** Resolves once the range has been listed, or the signal aborts. */
  waitForList(signal: AbortSignal): Promise<void> {
    return this.waitFor(1, signal);
  }

  /**
   * Resolves once the view is at least as new as `revision`, or the signal aborts. Only for a revision at which the range itself
   * changed: others are not told, and it would wait for the next change.
   */
  async waitFor(revision: Revision, signal: AbortSignal): Promise<void> {
    if (this.#revision >= revision || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#waiters.delete(waiter);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const waiter = { revision, done };
      this.#waiters.add(waiter);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /** Lists and watches until the signal aborts; store failures are retried with backoff, never thrown. */
  async run(signal: AbortSignal): Promise<void> {
    const { kv, prefix, clock, log, random } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      let listedAtMs = Number.POSITIVE_INFINITY;
      try {
        const epoch = this.#epochNow; // as it was asked: the answer may be older than what has come since
        const { kvs, revision } = await kv.list(prefix, signal);
        listedAtMs = clock.monotonicMs();
        this.#epoch = epoch;
        this.#replace(kvs, revision);
        await this.#watchForAWhile(revision, signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        // A list alone is no success: a watch that ends at once, each time, must not be begun at full speed.
        failures = clock.monotonicMs() - listedAtMs >= STEADY_MS ? 1 : failures + 1;
        if (errorCodeOf(error) === 'STALE') {
          log.info({ prefix, revision: this.#revision }, 'mirror fell behind the compaction, listing again');
          if (failures === 1) continue;
        } else if (failures === 1 || failures % 20 === 0)
          log.warn({ prefix, failures, err: error }, 'mirror cannot read the store');
        await clock.sleep(backoffMs(failures, { firstMs: 100, maxMs: 2_000, jitter: 0.5, random }), signal);
      }
    }
  }

  /** Until it's time to list again: what a watch could ever have missed is not missed for longer than that. */
  async #watchForAWhile(revision: Revision, signal: AbortSignal): Promise<void> {
    const { kv, prefix, clock, random } = this.#options;
    using stop = new ChildAbort(signal);
    this.#watching = stop;
    const cancel = clock.after(RELIST_INTERVAL_MS * (1 - 0.5 * random()), () => stop.abort(timeToList));
    try {
      await kv.watch({ prefix }, revision + 1, (batch) => this.#apply(batch), stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      cancel();
      this.#watching = undefined;
    }
  }

  get #epochNow(): number {
    return this.#options.epoch?.() ?? 0;
  }

  #replace(kvs: readonly KeyValue[], revision: Revision): void {
    const isSetBack = revision < this.#revision;
    if (isSetBack) {
      const { log, prefix } = this.#options;
      log.warn({ prefix, revision, had: this.#revision }, 'mirror follows a store that was set back');
    }
    const { keep } = this.#options;
    const kept = keep === undefined ? kvs : kvs.filter((kv) => keep(kv.key));
    this.#entries = new Map(kept.map((kv) => [kv.key, kv]));
    this.#advance(revision);
    if (isSetBack) for (const waiter of [...this.#waiters]) waiter.done(); // what they wait for is of another past
    this.#options.onChange('all');
  }

  #apply(batch: WatchBatch): void {
    const changed = new Set<string>();
    for (const { type, kv } of batch.events) {
      if (this.#options.keep?.(kv.key) === false) continue;
      if (type === 'put') this.#entries.set(kv.key, kv);
      else this.#entries.delete(kv.key);
      changed.add(kv.key);
    }
    this.#advance(batch.revision);
    if (changed.size > 0) this.#options.onChange(changed);
  }

  #advance(revision: Revision): void {
    this.#revision = revision;
    for (const waiter of [...this.#waiters]) if (revision >= waiter.revision) waiter.done();
  }
}
