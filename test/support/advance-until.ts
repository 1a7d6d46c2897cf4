import type { FakeClock } from './fake-clock.ts';

/** Advances the clock in steps until the condition holds; fails after `limitMs` of the clock's time, naming what was awaited. */
export async function advanceUntil(
  clock: FakeClock,
  what: string,
  isSo: () => boolean,
  limitMs = 60_000,
  stepMs = 50,
): Promise<void> {
  const endMs = clock.monotonicMs() + limitMs;
  for (;;) {
    await clock.advance(0);
    if (isSo()) return;
    if (clock.monotonicMs() >= endMs) throw new Error(`Waited ${limitMs} ms of the clock for: ${what}`);
    await clock.advance(stepMs);
  }
}
