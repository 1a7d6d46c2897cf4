import type { Clock } from './clock.ts';

export interface LoopOptions {
  readonly clock: Clock;
  /** The longest time between two passes, were there no nudge. */
  readonly intervalMs: number;
  readonly backoffMs: (failures: number) => number;
  readonly pass: (signal: AbortSignal) => Promise<void>;
  readonly onFailure: (error: unknown, failures: number) => void;
  /** A pass has ended; one that the loop's own end cuts short isn't told. Cheap: it's called on the loop's time. */
  readonly onPass?: ((tookMs: number, hasFailed: boolean) => void) | undefined;
}

/** Without a reason an abort makes an error with its stack, each time. */
const NUDGED = 'nudged';

/** Passes that follow each other within this are a storm; also the longest rest in it. */
const STORM_MS = 20;

/** A level-triggered loop: a nudge causes a pass, nudges coalesce, a failing pass backs off. */
export class ReconcileLoop {
  readonly #options: LoopOptions;
  #wake = new AbortController();
  #passAtMs: number | undefined;
  #sinceMs: number | undefined;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  /** Something may have changed: pass soon. One during a pass causes another. */
  nudge(): void {
    this.#wake.abort(NUDGED);
  }

  /** Sees to it that a pass begins no later than `ms` from now; the earliest wish wins until the next pass. */
  nudgeWithin(ms: number): void {
    const atMs = this.#options.clock.monotonicMs() + ms;
    if (this.#passAtMs === undefined || atMs < this.#passAtMs) this.#passAtMs = atMs;
  }

  /** How long the pass under way has taken; 0 between two. */
  get runningForMs(): number {
    return this.#sinceMs === undefined ? 0 : this.#options.clock.monotonicMs() - this.#sinceMs;
  }

  /** Passes at once, then for ever. Resolves when the signal aborts; a failing pass never rejects it. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs, backoffMs, pass, onFailure } = this.#options;
    const onAbort = () => this.#wake.abort(NUDGED);
    signal.addEventListener('abort', onAbort, { once: true });
    let stormEndsMs = 0;
    for (let failures = 0; !signal.aborted; ) {
      this.#wake = new AbortController(); // before the pass: a nudge during it must cause another
      this.#passAtMs = undefined;
      const beganMs = clock.monotonicMs();
      this.#sinceMs = beganMs;
      try {
        await pass(signal);
        failures = 0;
        // In a storm of nudges a pass leaves as much time as it took to what passes have begun.
        const restMs = Math.min(STORM_MS, this.#ended(beganMs, false));
        if (beganMs < stormEndsMs && restMs >= 1) await clock.sleep(restMs, signal);
        stormEndsMs = clock.monotonicMs() + STORM_MS;
        await clock.sleep(this.#waitMs(intervalMs), this.#wake.signal);
      } catch (error) {
        if (signal.aborted) break;
        failures += 1;
        this.#ended(beganMs, true);
        onFailure(error, failures);
        await clock.sleep(backoffMs(failures), signal);
      }
    }
    this.#sinceMs = undefined;
    signal.removeEventListener('abort', onAbort);
  }

  /** How long the pass took that began then. */
  #ended(beganMs: number, hasFailed: boolean): number {
    const tookMs = this.#options.clock.monotonicMs() - beganMs;
    this.#sinceMs = undefined;
    this.#options.onPass?.(tookMs, hasFailed);
    return tookMs;
  }

  #waitMs(intervalMs: number): number {
    if (this.#passAtMs === undefined) return intervalMs;
    return Math.max(0, Math.min(intervalMs, this.#passAtMs - this.#options.clock.monotonicMs()));
  }
}
