import { errorCodeOf } from '../../domain/errors.ts';
import type { Client } from '../../wire/client.ts';
import type { ListingFilter } from '../../wire/listing-filter.ts';
import type { StatsAnswer } from '../../wire/stats-answers.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { pause } from '../follow-rollout.ts';
import { filterOf, usageOptions } from '../listing.ts';
import { openScreen } from '../live-screen.ts';
import { explainNode } from '../not-found.ts';
import { printJson, printWarnings } from '../print-answer.ts';
import { rates } from '../rates.ts';
import { parseSortKey, renderTop, type SortKey, sortedRates, sortKeys } from '../show-top.ts';

/** Between two looks. */
const everyMs = 1_500;
/** Between the two that make the figures of a single look. */
const onceMs = 1_000;
/** As a shell has it for Ctrl-C, which a terminal in raw mode gives as a key. */
const interruptedCode = 130;

/** `muster top`: what nodes and instances use, now and again. */
export const top = makeCommand({
  path: 'top',
  summary: 'Show what nodes and instances use: processor, memory, restarts',
  details: [
    'Shown again every 1.5 s on a screen of its own. Keys: c, m and r sort by processor, memory and restarts, n by name; q quits.',
    'A share of a node is of all its processors; one of an instance, of one processor: 150% is one and a half. The nodes are asked only while this runs. Off a terminal, and with --once or --json, it looks for one second and ends.',
    'With filters it shows the instances that match, as muster ps does, and the nodes that they are on or that match themselves; RUNNING counts those shown. Only these nodes are asked. With several filters, all must hold.',
  ],
  args: [],
  options: {
    ...usageOptions,
    once: { type: 'boolean', help: 'Show it once and end' },
    sort: {
      type: 'string',
      short: 's',
      value: 'KEY',
      words: sortKeys,
      help: 'By cpu (the default), memory, restarts or name',
    },
  },
  examples: [
    { line: 'muster top', does: 'live, until q' },
    { line: 'muster top --once --sort memory', does: 'what uses most memory, once' },
    { line: 'muster top --node node2 --label team=shop', does: 'what of a team is on one node' },
  ],
  async run(context, input) {
    const { flag, value } = input;
    const sort = parseSortKey(value('sort') ?? 'cpu');
    const filter = filterOf(input);
    const keys = flag('once') || context.json ? undefined : context.keys?.();
    if (keys === undefined) return showOnce(context, sort, filter);
    const over = new AbortController();
    const signal = AbortSignal.any([context.signal, over.signal]);
    const view: View = { sort, filter, over, signal, code: exitCodes.done };
    const look = new Wakeup();
    keys.setRaw(true);
    const reading = readKeys(context, view, look);
    reading.catch(() => {}); // the terminal is gone: the signal says so
    try {
      await showLive(context, view, look);
      return view.code;
    } finally {
      keys.setRaw(false);
      context.closeStdin?.();
    }
  },
});

interface View {
  sort: SortKey;
  readonly filter: ListingFilter;
  /** Aborted by the keys that quit: what is asked then is awaited no longer. */
  readonly over: AbortController;
  /** Of whatever waits: aborts with `over`, and with the command. */
  readonly signal: AbortSignal;
  code: number;
}

async function showOnce(context: Context, sort: SortKey, filter: ListingFilter): Promise<number> {
  const client = await context.client();
  const before = await client.stats(filter, context.signal).catch(explainNode(context, filter));
  await pause(context, onceMs, context.signal);
  context.signal.throwIfAborted();
  const now = await client.stats(filter, context.signal);
  const seen = sortedRates(rates(before, now), sort);
  if (context.json) printJson(context, { ...seen, problems: now.problems });
  else context.stdout.write(renderTop(context, seen, sort));
  if (!context.json) printWarnings(context, now.problems);
  return exitCodes.done;
}

async function showLive(context: Context, view: View, look: Wakeup): Promise<void> {
  const client = await context.client();
  const screen = openScreen(context);
  let before: StatsAnswer | undefined;
  let now: StatsAnswer | undefined;
  let askedMs = Number.NEGATIVE_INFINITY;
  try {
    while (!view.over.signal.aborted) {
      if (context.clock.monotonicMs() - askedMs >= everyMs) {
        askedMs = context.clock.monotonicMs();
        const seen = await lookAgain(context, client, view, now === undefined);
        if (seen !== undefined) [before, now] = [now, seen];
      }
      if (now !== undefined) screen.show(renderTop(context, sortedRates(rates(before, now), view.sort), view.sort));
      await look.wait(context, everyMs - (context.clock.monotonicMs() - askedMs));
      context.signal.throwIfAborted();
    }
  } finally {
    screen.close();
  }
}

/** Undefined where the agent has as many who ask as it answers, and once a key has ended it: what was seen last stays. */
async function lookAgain(
  context: Context,
  client: Client,
  { filter, over, signal }: View,
  isFirst: boolean,
): Promise<StatsAnswer | undefined> {
  try {
    return await client.stats(filter, signal).catch(explainNode({ ...context, signal }, filter));
  } catch (error) {
    context.signal.throwIfAborted();
    if (over.signal.aborted) return undefined;
    if (isFirst || errorCodeOf(error) !== 'LIMIT') throw error;
    return undefined;
  }
}

const sortedBy: Readonly<Record<string, SortKey>> = { c: 'cpu', m: 'memory', r: 'restarts', n: 'name' };

async function readKeys({ stdin }: Context, view: View, look: Wakeup): Promise<void> {
  for await (const piece of stdin) {
    for (const key of Buffer.from(piece).toString('latin1')) {
      view.sort = sortedBy[key] ?? view.sort;
      if (key === '\u0003') view.code = interruptedCode;
      if (key === 'q' || key === '\u0003') view.over.abort();
    }
    look.wake();
  }
}

/** Ends a pause early. */
class Wakeup {
  #controller = new AbortController();

  wake(): void {
    this.#controller.abort();
  }

  async wait(context: Context, ms: number): Promise<void> {
    const onAbort = () => this.#controller.abort();
    context.signal.addEventListener('abort', onAbort, { once: true });
    if (ms > 0) await pause(context, ms, this.#controller.signal);
    context.signal.removeEventListener('abort', onAbort);
    this.#controller = new AbortController();
  }
}
