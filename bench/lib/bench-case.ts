import type { Lab } from '../../test/lab/lab.ts';

/** One figure: `value` over `baseline`, both in `unit`, out of `n` measurements. */
export interface Result {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline: number;
  readonly ratio: number;
  readonly n: number;
}

/** What a case gets from the runner. */
export interface BenchContext {
  /** The executable under test. */
  readonly executable: string;
  /** The pinned Node, as a baseline. */
  readonly node: string;
  /** The lab: three nodes with the default TTL, opened for the first case that asks, wiped between cases, closed at the end. */
  lab(): Promise<Lab>;
  /** A line of progress for whoever waits. */
  say(line: string): void;
}

/** One file of bench/cases exports one of these as `benchCase`. */
export interface BenchCase {
  readonly name: string;
  /** What it must reach, in words, for the table. */
  readonly mustReach: string;
  run(context: BenchContext, signal: AbortSignal): AsyncIterable<Result> | Promise<Result>;
}
