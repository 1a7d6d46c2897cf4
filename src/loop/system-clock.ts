import type { Clock } from './clock.ts';

/** The machine's clock: CLOCK_MONOTONIC by `performance.now()`, wall time by `Date`. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallTime: () => new Date(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) {
        resolve(false);
        return;
      }
      const end = (slept: boolean) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        resolve(slept);
      };
      const onAbort = () => end(false);
      const timer = setTimeout(() => end(true), ms);
      signal.addEventListener('abort', onAbort, { once: true });
    }),
  after: (ms, then) => {
    const timer = setTimeout(then, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
