/** The only way to time: so that tests and simulations own it. */
export interface Clock {
  /** Milliseconds from an arbitrary origin; never goes back. For durations and deadlines. */
  monotonicMs(): number;
  /** For records and people. Never subtract two of these. */
  wallTime(): Date;
  /** True after `ms`; false as soon as the signal aborts. Never rejects, leaves no listener behind. */
  sleep(ms: number, signal: AbortSignal): Promise<boolean>;
  /** Calls `then` once after `ms` unless cancelled; returns the cancel. Doesn't keep the process alive. */
  after(ms: number, then: () => void): () => void;
}
