import type { EtcdVersion } from '../lab/base-tree.ts';
import { beatMs, type Run } from '../lab/checker/run-log.ts';
import type { Field } from './field.ts';

/** The lab that a row needs; rows that need the same share one. */
export interface RowLab {
  readonly nodes: number;
  readonly ttlMs: number;
  readonly etcd?: EtcdVersion;
}

/** What a row is given. */
export interface RowContext {
  readonly field: Field;
  /** How often to do it. */
  readonly times: number;
  /** A few repetitions, and waits as short as they may be. */
  readonly quick: boolean;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** What a row showed. It throws where it could not be done at all. */
export interface RowResult {
  /** In words; empty: it shows what it must. */
  readonly failures: readonly string[];
  /** For the table. */
  readonly measured: string;
}

/** One row of the table in docs/reliability.md: a fault, and what must show. */
export interface Row {
  readonly name: string;
  readonly fault: string;
  readonly mustShow: string;
  readonly lab: RowLab;
  readonly times: { readonly quick: number; readonly full: number };
  readonly run: (context: RowContext) => Promise<RowResult>;
}

/** The most copies of any instance that ran at once, and of how many instances more than one did. */
export function countDuplicates(runs: readonly Run[]): { instances: number; longestMs: number } {
  let instances = 0;
  let longestMs = 0;
  for (const all of Map.groupBy(runs, ({ instance }) => instance).values()) {
    let longestHereMs = 0;
    for (const [at, one] of all.entries()) {
      for (const other of all.slice(at + 1)) longestHereMs = Math.max(longestHereMs, sharedMs(one, other));
    }
    if (longestHereMs > beatMs) instances += 1;
    longestMs = Math.max(longestMs, longestHereMs);
  }
  return { instances, longestMs };
}

function sharedMs(one: Run, other: Run): number {
  const fromMs = Math.max(one.stretches[0]?.fromMs ?? 0, other.stretches[0]?.fromMs ?? 0);
  const toMs = Math.min(one.stretches.at(-1)?.toMs ?? 0, other.stretches.at(-1)?.toMs ?? 0);
  return Math.max(0, toMs - fromMs);
}

/** How many lines of one list the other doesn't have. */
export function countMissing(before: readonly string[], now: readonly string[]): number {
  const there = new Set(now);
  return before.filter((line) => !there.has(line)).length;
}

/** Seconds for people. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Waits for so long, or until the signal aborts; then it throws. */
export async function pass(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const stop = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}
