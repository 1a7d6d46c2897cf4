import { errorCodeOf } from '../domain/errors.ts';
import type { DrainProgress, DrainRow } from '../wire/node-settings-answers.ts';
import type { Context } from './context.ts';
import { pause } from './follow-rollout.ts';
import { printable } from './table.ts';

/** How a drain ended. `undone`: somebody has ended it meanwhile. */
export interface FollowedDrain {
  readonly outcome: 'drained' | 'undone' | 'timeout';
  /** The last that was seen. */
  readonly progress: DrainProgress | undefined;
  readonly tookMs: number;
}

/** An agent that restarts is back in about a second. */
const reconnectMs = 500;

/** Watches a drain until the node is empty, somebody ends it, or the time is over. An agent that goes away meanwhile is awaited. */
export async function followDrain(context: Context, node: string, limitMs: number): Promise<FollowedDrain> {
  const { clock } = context;
  const beganMs = clock.monotonicMs();
  const over = new AbortController();
  const signal = AbortSignal.any([context.signal, over.signal]);
  const cancel = clock.after(limitMs, () => over.abort());
  const lines = new DrainLines(context);
  let last: DrainProgress | undefined;
  const end = (outcome: FollowedDrain['outcome']) => ({
    outcome,
    progress: last,
    tookMs: clock.monotonicMs() - beganMs,
  });
  const client = await context.client();
  try {
    while (!signal.aborted) {
      try {
        for await (const progress of client.watchDrain(node, signal)) {
          last = progress;
          lines.show(progress);
          if (progress.drained) return end('drained');
          if (!progress.draining) return end('undone');
        }
      } catch (error) {
        if (signal.aborted) break;
        if (errorCodeOf(error) !== 'UNAVAILABLE') throw error;
      }
      await pause(context, reconnectMs, signal);
    }
  } finally {
    cancel();
    over.abort();
  }
  if (context.signal.aborted) context.stderr.write('muster: no longer waiting; the drain goes on\n');
  context.signal.throwIfAborted();
  return end('timeout');
}

/** `web.0: moving: its new copy on node2 is not healthy yet`. */
export function drainLine({ instance, state, why, to }: DrainRow): string {
  const where = to === undefined ? '' : ` to ${to.hostname}`;
  return printable(`${instance}: ${state}${state === 'moving' ? where : ''}: ${why}`);
}

/** A line for each change of what an instance waits for; nothing to programs. */
class DrainLines {
  readonly #context: Context;
  readonly #told = new Map<string, string>();

  constructor(context: Context) {
    this.#context = context;
  }

  show({ left }: DrainProgress): void {
    if (this.#context.json || this.#context.quiet) return;
    const now = new Set(left.map(({ instance }) => instance));
    for (const instance of [...this.#told.keys()].filter((each) => !now.has(each))) {
      this.#told.delete(instance);
      this.#context.stdout.write(`${printable(instance)}: has left, ${left.length} to go\n`);
    }
    for (const row of left) {
      const line = drainLine(row);
      if (this.#told.get(row.instance) === line) continue;
      this.#told.set(row.instance, line);
      this.#context.stdout.write(`${line}\n`);
    }
  }
}
