// One time line for everything: the lab's nodes share the host's kernel, so CLOCK_MONOTONIC is the same in all of them.
// A moment is a reading of it, in milliseconds with microseconds behind the point.

/** Now. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The moment of a wall time in milliseconds, as the wall clock is set now. */
export function fromWallMs(wallMs: number): number {
  return wallMs - wallOffsetMs();
}

/** The moment of an RFC 3339 time with up to nine digits behind the point, as Docker gives it. */
export function fromIso(text: string): number {
  const [, fraction = ''] = /\.(\d+)/.exec(text) ?? [];
  const wholeMs = Date.parse(text.replace(/\.\d+/, ''));
  return fromWallMs(wholeMs + Number(fraction.padEnd(9, '0')) / 1e6);
}

/** What the wall clock is ahead. `Date.now()` counts whole milliseconds: it is read as one begins. */
function wallOffsetMs(): number {
  const beganMs = Date.now();
  let wallMs = beganMs;
  while (wallMs === beganMs) wallMs = Date.now();
  return wallMs - now();
}
