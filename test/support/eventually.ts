import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';

const pollMs = 20;
/** After a probe that took time there's a rest of so many times that, but no longer than this: what is awaited needs the machine, too. */
const restFactor = 2;
const longestRestMs = 500;
const unanswered = 'the probe did not answer';

/**
 * Waits until the probe returns something other than `undefined` or `false`, and returns that. A probe that throws has not
 * succeeded yet. After the deadline it throws, naming what was awaited and what was last seen.
 * @param deadlineMs for the whole wait, from now
 * @param pollEveryMs the least time between two probes
 */
export async function eventually<T>(
  what: string,
  deadlineMs: number,
  probe: () => T | Promise<T>,
  pollEveryMs: number = pollMs,
): Promise<Exclude<T, false | undefined>> {
  const endMs = performance.now() + deadlineMs;
  let before = '';
  for (;;) {
    const beganMs = performance.now();
    const seen = await attempt(probe, endMs - performance.now());
    if (seen.ok) return seen.value as Exclude<T, false | undefined>;
    if (performance.now() >= endMs) {
      const last = seen.last === unanswered && before !== '' ? `${before}; then ${unanswered}` : seen.last;
      throw new Error(`Cannot await "${what}": expected it within ${deadlineMs} ms, last seen: ${last}`, {
        cause: seen.cause,
      });
    }
    before = seen.last;
    const restMs = Math.min(longestRestMs, restFactor * (performance.now() - beganMs));
    await delay(Math.max(pollEveryMs, restMs));
  }
}

type Seen<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly last: string; readonly cause: unknown };

/** A probe that hangs must not outlive the deadline. */
async function attempt<T>(probe: () => T | Promise<T>, limitMs: number): Promise<Seen<T>> {
  const stop = new AbortController();
  const expiry = delay(Math.max(limitMs, pollMs), undefined, { signal: stop.signal }).then(
    (): Seen<T> => ({ ok: false, last: unanswered, cause: undefined }),
    (): Seen<T> => ({ ok: false, last: 'nothing', cause: undefined }),
  );
  try {
    return await Promise.race([observe(probe), expiry]);
  } finally {
    stop.abort();
  }
}

async function observe<T>(probe: () => T | Promise<T>): Promise<Seen<T>> {
  try {
    const value = await probe();
    if (value !== undefined && value !== false) return { ok: true, value };
    return { ok: false, last: inspect(value), cause: undefined };
  } catch (cause) {
    return { ok: false, last: cause instanceof Error ? cause.message : String(cause), cause };
  }
}
