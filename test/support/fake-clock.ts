import type { Clock } from '../../src/loop/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Lets everything that waits on a promise alone go as far as it can. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** A clock that stands still until the test advances it. Timers run in order of their time, then of their making. */
export class FakeClock implements Clock {
  #nowMs: number;
  #wallMs: number;
  #made = 0;
  readonly #timers = new Set<Timer>();

  constructor(options: { readonly monotonicMs?: number; readonly wall?: string } = {}) {
    this.#nowMs = options.monotonicMs ?? 1_000;
    this.#wallMs = Date.parse(options.wall ?? '2026-01-01T00:00:00.000Z');
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallTime(): Date {
    return new Date(this.#wallMs);
  }

  sleep(ms: number, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const onAbort = () => {
        cancel();
        resolve(false);
      };
      const cancel = this.after(ms, () => {
        signal.removeEventListener('abort', onAbort);
        resolve(true);
      });
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  after(ms: number, then: () => void): () => void {
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, ms), order: this.#made++, run: then };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** Timers that wait: a test for leaks compares it before and after. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** When the next timer is due, in milliseconds from now; undefined when there's none. */
  get nextTimerInMs(): number | undefined {
    const next = this.#next();
    return next && Math.max(0, next.atMs - this.#nowMs);
  }

  /** Moves on by `ms`, running each timer that falls due at its own time and letting what it wakes settle. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    for (let next = this.#next(); next && next.atMs <= untilMs; next = this.#next()) {
      this.#moveTo(Math.max(this.#nowMs, next.atMs));
      this.#timers.delete(next);
      next.run();
      await settle();
    }
    this.#moveTo(untilMs);
    await settle();
  }

  /** Moves from timer to timer until the condition holds; fails the test when `limitMs` pass without it. */
  async advanceUntil(condition: () => boolean, limitMs: number): Promise<void> {
    const untilMs = this.#nowMs + limitMs;
    await settle();
    while (!condition()) {
      const next = this.#next();
      if (!next || next.atMs > untilMs) throw new Error(`The condition did not hold within ${limitMs} ms of fake time`);
      await this.advance(Math.max(0, next.atMs - this.#nowMs));
    }
  }

  /** A stalled process: time passes and no timer runs until the next advance, which then runs them late. */
  stall(ms: number): void {
    this.#moveTo(this.#nowMs + ms);
  }

  /** Someone sets the wall clock; the monotonic one doesn't notice. */
  stepWall(ms: number): void {
    this.#wallMs += ms;
  }

  #moveTo(ms: number): void {
    this.#wallMs += ms - this.#nowMs;
    this.#nowMs = ms;
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (!next || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order)) next = timer;
    }
    return next;
  }
}
