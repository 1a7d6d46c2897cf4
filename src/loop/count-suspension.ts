import type { Clock } from './clock.ts';

/** Time on the two clocks differs by less than this without any sleep: the other one is read to hundredths of a second. */
const NOISE_MS = 100;
/** The other clock is read no more often than this: a pass asks for the time again and again. */
const READ_EVERY_MS = 20;

/**
 * The same clock, with the time for which the machine was suspended: its monotonic clock stands still meanwhile, and leases run on.
 * Timers don't notice: one that was set before is late by as much.
 * @param uptimeMs time since boot, suspended or not; undefined where that can't be told
 */
export function countSuspension(clock: Clock, uptimeMs: () => number | undefined): Clock {
  let readAtMs = Number.NEGATIVE_INFINITY;
  let leadMs: number | undefined;
  let suspendedMs = 0;
  const monotonicMs = (): number => {
    const nowMs = clock.monotonicMs();
    if (nowMs - readAtMs >= READ_EVERY_MS) {
      readAtMs = nowMs;
      const uptime = uptimeMs();
      const lead = uptime === undefined ? undefined : uptime - nowMs;
      if (lead !== undefined && leadMs !== undefined && lead - leadMs >= NOISE_MS) {
        suspendedMs += lead - leadMs;
        leadMs = lead;
      }
      leadMs ??= lead;
    }
    return nowMs + suspendedMs;
  };
  return {
    monotonicMs,
    wallTime: () => clock.wallTime(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    after: (ms, then) => clock.after(ms, then),
  };
}
