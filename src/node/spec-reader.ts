import { specCodec } from '../cluster/codecs.ts';
import type { Layout } from '../cluster/layout.ts';
import { errorText } from '../domain/errors.ts';
import type { WorkloadName } from '../domain/ids.ts';
import type { StoredSpec } from '../domain/spec.ts';
import type { Kv } from '../etcd/port.ts';
import type { Clock } from '../loop/clock.ts';

/** A spec, that it is being read, or why it can't be. */
export type SpecReading =
  | { readonly kind: 'read'; readonly spec: StoredSpec }
  | { readonly kind: 'reading' }
  | { readonly kind: 'failed'; readonly error: string };

const RETRY_MS = 2_000;

/** Reads specs once and keeps them: they never change. */
export class SpecReader {
  readonly #kv: Kv;
  readonly #layout: Layout;
  readonly #clock: Clock;
  readonly #onRead: () => void;
  /** Reads under way; none rejects. */
  readonly #inFlight = new Set<Promise<void>>();
  readonly #readings = new Map<string, SpecReading & { readonly atMs: number }>();

  constructor(options: {
    readonly kv: Kv;
    readonly layout: Layout;
    readonly clock: Clock;
    readonly onRead: () => void;
  }) {
    this.#kv = options.kv;
    this.#layout = options.layout;
    this.#clock = options.clock;
    this.#onRead = options.onRead;
  }

  /** The spec if it has been read; else begins to read it, and `onRead` follows. A failure is tried again after 2 s. */
  get(workload: WorkloadName, number: number, signal: AbortSignal): SpecReading {
    const path = this.#layout.spec(workload, number);
    const known = this.#readings.get(path);
    const isDue = known?.kind === 'failed' && this.#clock.monotonicMs() - known.atMs >= RETRY_MS;
    if (known !== undefined && !isDue) return known;
    if (known === undefined) this.#note(path, { kind: 'reading' });
    else this.#note(path, { kind: 'failed', error: known.kind === 'failed' ? known.error : '' });
    const reading = this.#read(path, signal).finally(() => this.#inFlight.delete(reading));
    this.#inFlight.add(reading);
    return this.#readings.get(path) ?? { kind: 'reading' };
  }

  /** Forgets the specs that `isUsed` doesn't name, so that the cache doesn't grow over days. */
  retain(isUsed: (path: string) => boolean): void {
    for (const path of this.#readings.keys()) if (!isUsed(path)) this.#readings.delete(path);
  }

  async #read(path: string, signal: AbortSignal): Promise<void> {
    try {
      const { kv } = await this.#kv.get(path, signal);
      if (kv === undefined)
        this.#note(path, { kind: 'failed', error: `Cannot find spec "${path}": expected it in the store` });
      else this.#note(path, { kind: 'read', spec: specCodec.decode(kv.value, path) });
    } catch (error) {
      if (signal.aborted) return;
      this.#note(path, { kind: 'failed', error: errorText(error) });
    }
    this.#onRead();
  }

  #note(path: string, reading: SpecReading): void {
    this.#readings.set(path, { ...reading, atMs: this.#clock.monotonicMs() });
  }
}
