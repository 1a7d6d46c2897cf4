/** A time further ahead than this was written by a clock that was wrong. */
const SKEW_MS = 60_000;

/**
 * How long ago something was recorded, by the clock of who recorded it: of what outlives a leader, a node or a boot nothing better
 * is known. Nothing that must be safe may hang on it. A time that can't be, or can't be read, is long ago: what waits for it goes on.
 */
export function sinceMs(at: string | undefined, nowIso: string): number {
  const [thenMs, nowMs] = [instantMs(at), instantMs(nowIso)];
  if (thenMs === undefined || nowMs === undefined || thenMs > nowMs + SKEW_MS) return Infinity;
  return Math.max(0, nowMs - thenMs);
}

/** Milliseconds of an ISO 8601 time, to compare with others; undefined for one that can't be read. */
export function instantMs(at: string | undefined): number | undefined {
  if (at === undefined || at === '') return undefined;
  try {
    return Temporal.Instant.from(at).epochMilliseconds;
  } catch {
    return undefined;
  }
}
