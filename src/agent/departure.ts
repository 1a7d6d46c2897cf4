import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import type { Agent, Departure } from './compose-agent.ts';

/** By when, from its order to stop, the agent alone has said goodbye: it's to be gone within 5 s. */
const HAND_OVER_BY_MS = 3_500;
/** What is left of that for the goodbye, however long it took to find out that it is one. */
const HAND_OVER_LEAST_MS = 1_500;
/** How long the services may take to end once told to. */
const END_MS = 1_000;
/** How long the last word of a machine that stops may take. */
const WITHDRAW_MS = 1_000;

export interface DepartureOptions {
  readonly agent: Pick<Agent, 'run' | 'depart' | 'withdraw'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly shutdownGraceMs: number;
  readonly howToEnd: () => Promise<Departure>;
}

/** Runs the agent until `stopRequested` aborts, then ends it in order and in bounded time. Rejects when it fails by itself. */
export async function runUntilStopped(options: DepartureOptions, stopRequested: AbortSignal): Promise<void> {
  const { agent, clock, log, shutdownGraceMs } = options;
  const services = new AbortController();
  const running = agent.run(services.signal);
  const asked = untilAborted(stopRequested);
  await Promise.race([running, asked.done]);
  asked.cancel();
  if (!stopRequested.aborted) return running;
  const byMs = clock.monotonicMs() + HAND_OVER_BY_MS;
  const how = await options.howToEnd();
  log.info({ how }, 'agent stops');
  const isAlone = how === 'agent-stops';
  const limitMs = isAlone ? Math.max(HAND_OVER_LEAST_MS, byMs - clock.monotonicMs()) : shutdownGraceMs;
  const hasDeparted = await within(
    clock,
    limitMs,
    (signal) => agent.depart(how, limitMs, signal),
    (err) => log.warn({ err, how }, 'departure not said'),
  );
  services.abort();
  await within(
    clock,
    END_MS,
    () => running,
    (err) => log.warn({ err }, 'services did not end in order'),
  );
  if (isAlone || !hasDeparted) return; // of a node that something may still run on, presence ends with its lease
  await within(
    clock,
    WITHDRAW_MS,
    (signal) => agent.withdraw(signal),
    (err) => log.warn({ err }, 'presence not withdrawn'),
  );
}

function untilAborted(signal: AbortSignal): { readonly done: Promise<void>; readonly cancel: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const onAbort = () => resolve();
  if (signal.aborted) resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  return { done: promise, cancel: () => signal.removeEventListener('abort', onAbort) };
}

/** Whether it was done. Never takes longer than `limitMs`, never rejects. */
async function within(
  clock: Clock,
  limitMs: number,
  work: (signal: AbortSignal) => Promise<void>,
  onFailure: (error: unknown) => void,
): Promise<boolean> {
  const limit = new AbortController();
  const timer = new AbortController();
  const late = clock.sleep(limitMs, timer.signal).then((slept) => {
    if (slept) limit.abort(new Error(`not done within ${limitMs} ms`));
    return slept;
  });
  try {
    await Promise.race([work(limit.signal), late]);
    if (limit.signal.aborted) onFailure(limit.signal.reason); // whether it ended by that or hangs on
    return !limit.signal.aborted;
  } catch (error) {
    onFailure(error);
    return false;
  } finally {
    timer.abort();
  }
}
