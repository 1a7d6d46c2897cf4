import { parseDurationMs } from '../domain/quantity.ts';
import type { Context } from './context.ts';
import { Misuse } from './misuse.ts';

/** The duration that an option says, in milliseconds. */
export function durationOption(option: string, text: string): number {
  try {
    return parseDurationMs(text);
  } catch {
    throw new Misuse(`Cannot read ${option} "${text}": expected a duration such as 30s, 5m or 1h30m`);
  }
}

/** How long ago, in the one or two units that matter: `8s`, `3m12s`, `45m`, `5h03m`, `3d4h`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  const two = (count: number) => String(count).padStart(2, '0');
  if (minutes === 0) return `${seconds}s`;
  if (minutes < 10) return `${minutes}m${two(seconds % 60)}s`;
  if (hours === 0) return `${minutes}m`;
  if (hours < 10) return `${hours}h${two(minutes % 60)}m`;
  if (days === 0) return `${hours}h`;
  return days < 10 ? `${days}d${hours % 24}h` : `${days}d`;
}

/** The age of an ISO 8601 time; `-` when there is none. */
export function formatAge(at: string | undefined, now: Date): string {
  return at === undefined ? '-' : formatDuration(now.getTime() - Temporal.Instant.from(at).epochMilliseconds);
}

/** How long something took: `1.4 s`. */
export function formatSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

/** A time exactly, to the second: `2026-01-01 14:03:07+01:00` where this machine is, `2026-01-01 13:03:07Z` with `--utc`. */
export function formatTime(at: string, { utc, timeZone }: Pick<Context, 'utc' | 'timeZone'>): string {
  const instant = Temporal.Instant.from(at);
  const text = utc
    ? instant.toString({ smallestUnit: 'second' })
    : instant.toString({ smallestUnit: 'second', timeZone: timeZone() });
  return text.replace('T', ' ');
}

/** A time both ways: `3m12s ago (2026-01-01 14:03:07+01:00)`. */
export function formatWhen(at: string, context: Pick<Context, 'clock' | 'utc' | 'timeZone'>): string {
  return `${formatAge(at, context.clock.wallTime())} ago (${formatTime(at, context)})`;
}
