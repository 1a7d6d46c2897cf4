import type { Run, Stretch } from '../checker/run-log.ts';

/** The longest time within `span` in which none of these runs noted that it ran. */
export function longestGapMs(runs: readonly Run[], span: Stretch): number {
  const stretches = runs.flatMap(({ stretches: own }) => own).sort((a, b) => a.fromMs - b.fromMs);
  let coveredMs = span.fromMs;
  let longest = 0;
  for (const { fromMs, toMs } of stretches) {
    if (toMs < span.fromMs || fromMs > span.toMs) continue;
    longest = Math.max(longest, fromMs - coveredMs);
    coveredMs = Math.max(coveredMs, toMs);
  }
  return Math.max(longest, span.toMs - coveredMs);
}
