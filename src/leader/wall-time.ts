/** Milliseconds from one ISO 8601 time to another; undefined where one isn't such a time. */
export function millisecondsBetween(from: string, to: string): number | undefined {
  try {
    return Temporal.Instant.from(to).epochMilliseconds - Temporal.Instant.from(from).epochMilliseconds;
  } catch {
    return undefined; // what is stored may be anybody's text
  }
}

/** The ISO 8601 time so much later. */
export function isoAfter(iso: string, ms: number): string {
  const instant = Temporal.Instant.from(iso).add({ milliseconds: Math.round(ms) });
  return instant.toString({ fractionalSecondDigits: 3 });
}

/**
 * How long it's still until a stored time, 0…`atMostMs`: leaders' wall clocks differ, and none of them may make a wait longer than
 * it was meant to be, or begin one that is over.
 */
export function remainingUntil(untilIso: string, nowIso: string, atMostMs: number): number {
  return Math.min(atMostMs, Math.max(0, millisecondsBetween(nowIso, untilIso) ?? 0));
}
