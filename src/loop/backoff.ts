/** How long to wait after a number of failures in a row. */
export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** 0…1: the part of the delay that is drawn at random, so that many don't come back together. */
  readonly jitter: number;
  readonly random: () => number;
}

/** Doubles from `firstMs` up to `maxMs`; `failures` counts from 1. */
export function backoffMs(failures: number, options: BackoffOptions): number {
  const full = Math.min(options.maxMs, options.firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
  return full * (1 - options.jitter * options.random());
}
