import { AgentError } from './errors.ts';

const durationUnitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kb: 1024,
  kib: 1024,
  m: 1024 ** 2,
  mb: 1024 ** 2,
  mib: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1024 ** 3,
  gib: 1024 ** 3,
  t: 1024 ** 4,
  tb: 1024 ** 4,
  tib: 1024 ** 4,
};

/** What {@link parseDurationMs} takes, for messages. */
export const DURATION_FORM = 'a duration as "10s", "500ms" or "1m30s"';
/** What {@link parseSizeBytes} takes, for messages. */
export const SIZE_FORM = 'a size as "64m", "1g" or a number of bytes';

/** Milliseconds of `10s`, `500ms`, `1m30s`, `1.5h`: numbers with a unit each, the largest first. */
export function parseDurationMs(text: string): number {
  const parts = [...text.matchAll(/(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)/gy)];
  const length = parts.reduce((sum, [whole]) => sum + whole.length, 0);
  const units = parts.map(([, , unit]) => durationUnitsMs[unit ?? ''] ?? 0);
  const falling = units.every((unit, at) => at === 0 || unit < (units[at - 1] ?? 0));
  if (parts.length === 0 || length !== text.length || !falling) throw refuse('duration', text, DURATION_FORM);
  const ms = parts.reduce((sum, [, number], at) => sum + Number(number) * (units[at] ?? 0), 0);
  return Math.round(ms);
}

/** What {@link parseDurationMs} reads as these whole milliseconds: `10m`, `1h30m`, `500ms`. */
export function formatDurationMs(ms: number): string {
  const units = Object.entries(durationUnitsMs).sort(([, a], [, b]) => b - a);
  let rest = ms;
  const parts = units.map(([unit, unitMs]) => {
    const count = Math.floor(rest / unitMs);
    rest -= count * unitMs;
    return count > 0 ? `${count}${unit}` : '';
  });
  return parts.join('') || '0s';
}

/** Bytes of `64m`, `1g`, `1.5GiB`, `1048576`. Units are powers of 1024, as Docker has them; case doesn't matter. */
export function parseSizeBytes(text: string): number {
  const match = /^(\d{1,16}(?:\.\d{1,9})?) ?([a-z]{0,3})$/.exec(text.toLowerCase());
  const unit = sizeUnits[match?.[2] ?? ''];
  const bytes = Math.round(Number(match?.[1]) * (unit ?? 0));
  if (match === null || unit === undefined || !Number.isSafeInteger(bytes)) throw refuse('size', text, SIZE_FORM);
  return bytes;
}

function refuse(what: string, text: string, expected: string): AgentError {
  return new AgentError('INVALID_INPUT', `Cannot parse ${what} "${text.slice(0, 100)}": expected ${expected}`);
}
