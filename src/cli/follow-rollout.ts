import { errorCodeOf } from '../domain/errors.ts';
import type { WatchedWorkload } from '../wire/client.ts';
import type { Context } from './context.ts';
import { type Goal, type Outcome, type Patience, Rollout } from './rollout.ts';

/** What a wait came to. */
export interface FollowedRollout {
  readonly outcome: Outcome;
  readonly rollout: Rollout;
  readonly tookMs: number;
}

/** Shown each state as it comes. */
export interface ProgressView {
  show(frame: WatchedWorkload): void;
  /** The last word: leaves the terminal as it should stay. */
  end(): void;
}

/** As many workloads as one watch takes. */
const watchLimit = 1_000;
/** An agent that restarts is back in about a second. */
const reconnectMs = 500;

/** Watches until the goals are reached, or can't be. An agent that goes away meanwhile is awaited. */
export async function followRollout(
  context: Context,
  goals: readonly Goal[],
  patience: Patience,
  view: ProgressView,
): Promise<FollowedRollout> {
  const { clock } = context;
  const beganMs = clock.monotonicMs();
  const rollout = new Rollout(goals, patience, beganMs);
  const settled = new AbortController();
  let outcome: Outcome | undefined;
  let cancelTimer = () => {};
  const check = () => {
    cancelTimer();
    const nowMs = clock.monotonicMs();
    outcome ??= rollout.outcome(nowMs);
    if (outcome === undefined) cancelTimer = clock.after(Math.max(1, rollout.nextMs(nowMs) - nowMs), check);
    else settled.abort();
  };
  const onFrame = (frame: WatchedWorkload) => {
    rollout.see(frame, clock.monotonicMs());
    view.show(frame);
    check();
  };
  check();
  const signal = AbortSignal.any([context.signal, settled.signal]);
  try {
    await Promise.all(chunksOf(goals).map(async (names) => watch(context, names, onFrame, signal)));
  } finally {
    cancelTimer();
    settled.abort();
    view.end();
  }
  if (context.signal.aborted) context.stderr.write('muster: no longer waiting; what was accepted stays\n');
  context.signal.throwIfAborted();
  return { outcome: outcome ?? 'timeout', rollout, tookMs: clock.monotonicMs() - beganMs };
}

function chunksOf(goals: readonly Goal[]): readonly string[][] {
  const names = goals.map((goal) => goal.name);
  const count = Math.ceil(names.length / watchLimit);
  return Array.from({ length: count }, (_, at) => names.slice(at * watchLimit, (at + 1) * watchLimit));
}

async function watch(
  context: Context,
  names: readonly string[],
  onFrame: (frame: WatchedWorkload) => void,
  signal: AbortSignal,
): Promise<void> {
  const client = await context.client();
  while (!signal.aborted) {
    try {
      for await (const frame of client.watchWorkloads(names, signal)) {
        onFrame(frame);
        if (signal.aborted) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (errorCodeOf(error) !== 'UNAVAILABLE') throw error;
    }
    await pause(context, reconnectMs, signal);
  }
}

/** Waits, or not as long when the signal aborts. */
export async function pause({ clock }: Pick<Context, 'clock'>, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = () => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener('abort', end, { once: true });
  });
}
