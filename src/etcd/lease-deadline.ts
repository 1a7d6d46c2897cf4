import type { Clock } from '../loop/clock.ts';

/**
 * Until when a lease may be relied on: counted from when a renewal was *sent*, on the monotonic clock, without being told. Once it
 * has passed, a late answer doesn't revive it; only {@link restart} does, after a linearizable read.
 */
export class LeaseDeadline {
  readonly #clock: Clock;
  readonly #spanMs: number;
  #untilMs = Number.NEGATIVE_INFINITY;

  /** @param spanMs the lease's TTL less a margin */
  constructor(clock: Clock, spanMs: number) {
    this.#clock = clock;
    this.#spanMs = spanMs;
  }

  /**
   * A renewal was answered.
   * @param sentAtMs when it left this node; the store can't have begun to count earlier
   * @returns whether the deadline holds; false, and nothing changed, where it had passed before the answer came
   */
  renewed(sentAtMs: number): boolean {
    if (!this.holds) return false;
    this.#untilMs = Math.max(this.#untilMs, sentAtMs + this.#spanMs);
    return true;
  }

  /** Begins, or begins again once the store has shown that the lease still holds what it held. */
  restart(sentAtMs: number): void {
    this.#untilMs = Math.max(this.#untilMs, sentAtMs + this.#spanMs);
  }

  /** It's over before its time: the store said so. */
  end(): void {
    this.#untilMs = Number.NEGATIVE_INFINITY;
  }

  get holds(): boolean {
    return this.#clock.monotonicMs() < this.#untilMs;
  }

  /** On the monotonic clock; -Infinity before it began and after its end. */
  get untilMs(): number {
    return this.#untilMs;
  }
}
