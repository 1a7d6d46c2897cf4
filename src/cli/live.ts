import { AgentError, errorCodeOf } from '../domain/errors.ts';
import { cacheReads } from './cache-reads.ts';
import type { Context, Output } from './context.ts';
import { pause } from './follow-rollout.ts';
import { openScreen } from './live-screen.ts';
import { printError } from './print-error.ts';

/** While the agent can't tell of changes, they are looked for so often. */
const lookAgainMs = 2_000;
/** Ages on the screen grow without any change. */
const tickMs = 1_000;
/** Between two looks, and four times what the last one took: a cluster in which much happens is not kept busy by onlookers. */
const gapMs = 400;
const gapFactor = 4;

/**
 * Shows what a command prints, again whenever something changes, until the signal aborts: in place on a terminal, elsewhere
 * once more below, with `--json` as one line. The agent is asked again only after a change.
 */
export async function runLive(context: Context, show: (context: Context) => Promise<number>): Promise<never> {
  const reads = cacheReads(await context.client());
  const wake = new Waker();
  const following = followChanges(context, () => {
    reads.forget();
    wake.wake();
  });
  following.catch(() => {}); // it ends with the signal alone
  const screen = openScreen(context);
  try {
    for (let isFirst = true; ; isFirst = false) {
      const beganMs = context.clock.monotonicMs();
      screen.show(await render({ ...context, client: () => Promise.resolve(reads.client) }, show, isFirst));
      await pause(context, Math.max(gapMs, gapFactor * (context.clock.monotonicMs() - beganMs)), context.signal);
      await wake.wait(context, screen.isTerminal ? tickMs : undefined);
      context.signal.throwIfAborted();
    }
  } finally {
    screen.close();
  }
}

/** What the command prints. An error of the first pass is thrown: a mistyped name is not watched for. */
async function render(
  context: Context,
  show: (context: Context) => Promise<number>,
  isFirst: boolean,
): Promise<string> {
  let text = '';
  const collect = (output: Output): Output => ({
    write: (more) => {
      text += more;
    },
    isTTY: output.isTTY,
    columns: output.columns,
    rows: output.rows,
  });
  const stdout = collect(context.stdout);
  const inside = { ...context, stdout, stderr: context.json ? context.stderr : collect(context.stderr) };
  try {
    await show(inside);
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof AgentError) || (isFirst && errorCodeOf(error) !== 'UNAVAILABLE')) throw error;
    printError(inside, error);
  }
  return text;
}

/** Calls whenever the agent says that something has changed, and every two seconds while it can't say so. */
async function followChanges(context: Context, onChange: () => void): Promise<void> {
  const client = await context.client();
  for (let isFirst = true; !context.signal.aborted; isFirst = false) {
    try {
      for await (const _ of client.watchChanges(context.signal)) {
        if (!isFirst) onChange();
        isFirst = false;
      }
    } catch {
      // Whatever is wrong with the agent, the next read says.
    }
    await pause(context, lookAgainMs, context.signal);
    onChange();
  }
}

/** Tells one waiter that there is something new; remembers it until then. */
class Waker {
  #pending = false;
  #controller = new AbortController();

  wake(): void {
    this.#pending = true;
    this.#controller.abort();
  }

  /** Until woken, or so many milliseconds, or the command ends. */
  async wait(context: Context, limitMs: number | undefined): Promise<void> {
    if (!this.#pending) {
      this.#controller = new AbortController();
      const onAbort = () => this.#controller.abort();
      context.signal.addEventListener('abort', onAbort, { once: true });
      await pause(context, limitMs ?? 2 ** 31 - 1, this.#controller.signal);
      context.signal.removeEventListener('abort', onAbort);
    }
    this.#pending = false;
  }
}
