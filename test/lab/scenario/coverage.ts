import { beganMs, lastBeatMs, type Run, type Stretch } from '../checker/run-log.ts';

/**
 * The longest time within `span` in which none of these runs ran. A run counts from its first to its last note: one that had no turn for a
 * while was there all the same. For work on machines that nobody freezes.
 */
export function longestGapMs(runs: readonly Run[], span: Stretch): number {
  const whole = runs.map((run): Stretch => ({ fromMs: beganMs(run), toMs: lastBeatMs(run) }));
  const stretches = whole.sort((a, b) => a.fromMs - b.fromMs);
  let coveredMs = span.fromMs;
  let longest = 0;
  for (const { fromMs, toMs } of stretches) {
    if (toMs < span.fromMs || fromMs > span.toMs) continue;
    longest = Math.max(longest, fromMs - coveredMs);
    coveredMs = Math.max(coveredMs, toMs);
  }
  return Math.max(longest, span.toMs - coveredMs);
}
