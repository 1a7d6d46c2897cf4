import type { Clock } from '../../loop/clock.ts';

/** fleet's client looks every 250 ms, and first after that time. */
const AT_LEAST_MS = 600;
/** Whoever hasn't asked by then isn't waiting. */
const AT_MOST_MS = 10_000;
/** So many at once; the oldest are forgotten first. */
const LIMIT = 1_000;

/**
 * Units that a client of fleet has just had stopped. `fleetctl restart` orders `loaded`, waits until it sees `launched` (it means the
 * state before), then orders `launched`: were the stop seen at once, it would wait for ever. So such a unit is said to be launched for
 * a little while, and until somebody was told.
 */
export class RecentStops {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #stops = new Map<string, { readonly atMs: number; wasTold: boolean }>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** A unit that was launched is to be loaded. */
  note(name: string): void {
    this.#stops.delete(name);
    this.#stops.set(name, { atMs: this.#clock.monotonicMs(), wasTold: false });
    for (const oldest of this.#stops.keys()) {
      if (this.#stops.size <= LIMIT) return;
      this.#stops.delete(oldest);
    }
  }

  /** Something else was ordered since. */
  forget(name: string): void {
    this.#stops.delete(name);
  }

  /** True while whoever looks the unit up is still to be told that it's launched. */
  isToldLaunched(name: string): boolean {
    const stop = this.#stops.get(name);
    if (stop === undefined) return false;
    const sinceMs = this.#clock.monotonicMs() - stop.atMs;
    if (sinceMs < AT_LEAST_MS || (!stop.wasTold && sinceMs < AT_MOST_MS)) {
      stop.wasTold = true;
      return true;
    }
    this.#stops.delete(name);
    return false;
  }
}
