import { errorCodeOf } from '../../domain/errors.ts';
import type { EventType } from '../../domain/event.ts';
import type { Client } from '../../wire/client.ts';
import type { EventLine } from '../../wire/event-answers.ts';
import type { EventsQuery } from '../../wire/event-client.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context, Tone } from '../context.ts';
import { formatTime } from '../durations.ts';
import { pause } from '../follow-rollout.ts';
import { eventOptions, filterOf, isEverything } from '../listing.ts';
import { printable } from '../table.ts';

/** An agent that restarts is back in about a second. */
const reconnectMs = 500;
/** The longest type, so that what follows is aligned. */
const typeChars = 18;

/** `muster events`: what happened, and what happens. */
export const events = makeCommand({
  path: 'events',
  summary: 'Show what happened in the cluster: what moved, failed, joined, was lost, and why',
  details: [
    'As far back as etcd keeps its history: with the configuration that comes with muster, an hour or two. A time with "~" before it is about right: what happened then has recorded no time. With --json each line is one JSON value; its id can be given to --since, to go on after it.',
    'With several filters, all must hold. A phase is that of an instance: what tells of nodes, workloads or a move has none. Labels are those of now, and of what is gone the last that are known. What was lost to a reader is told whatever is asked for.',
    'With -f the command goes on with what happens until Ctrl-C, also when the agent restarts. A reader that is too slow is told how much it lost, and from which revision on to read it again.',
  ],
  args: [{ name: 'NAME', help: 'Only what is about this workload, instance or node', optional: true }],
  options: {
    ...eventOptions,
    follow: { type: 'boolean', short: 'f', help: 'Go on with what happens, until Ctrl-C' },
    since: {
      type: 'string',
      value: 'WHEN',
      help: "From when on: a duration (1h, the default without -f), a time (ISO 8601), or after an event's id",
    },
  },
  examples: [
    { line: 'muster events', does: 'what happened within the last hour' },
    { line: 'muster events -f', does: 'what happens' },
    { line: 'muster events node2 --since 10m', does: 'what a node has to do with' },
    { line: 'muster events --phase failed --label team=shop', does: 'what of a team has failed' },
    { line: 'muster events web -f --json', does: 'for programs' },
  ],
  async run(context, input) {
    const { flag, value } = input;
    const [name] = input.args;
    const filter = filterOf(input, 'events');
    const follow = flag('follow');
    const query = { follow, ...filter, ...(name === undefined ? {} : { about: name }) };
    const shown = await tell(context, query, value('since') ?? (follow ? undefined : '1h'));
    if (shown === 0 && !context.json && !context.quiet)
      context.stdout.write(isEverything(filter) ? 'Nothing happened.\n' : 'Nothing that matches happened.\n');
    return exitCodes.done;
  },
});

/** Tells what is asked for and returns how much that was. Who follows goes on where it was when the agent is back. */
async function tell(context: Context, query: Omit<EventsQuery, 'since'>, since: string | undefined): Promise<number> {
  const client = await context.client();
  const over = new AbortController();
  const until = AbortSignal.any([context.signal, over.signal]);
  let shown = 0;
  let last = since;
  let isFinding = false;
  try {
    for (;;) {
      if (last === undefined && !isFinding) {
        isFinding = true;
        const note = (revision?: string) => {
          last ??= revision; // the present, until something is told
          isFinding = false;
        };
        findRevision(client, until).then(note, () => note()); // without it the next attempt asks again
      }
      try {
        const from = last === undefined ? {} : { since: last };
        for await (const event of client.events({ ...query, ...from }, context.signal)) {
          context.stdout.write(context.json ? `${JSON.stringify(event)}\n` : lineOf(context, event));
          shown += 1;
          last = event.id;
        }
      } catch (error) {
        context.signal.throwIfAborted();
        if (!query.follow || errorCodeOf(error) !== 'UNAVAILABLE') throw error;
      }
      if (!query.follow) return shown;
      await pause(context, reconnectMs, context.signal);
      context.signal.throwIfAborted();
    }
  } finally {
    over.abort();
  }
}

/** Where the store is now. */
async function findRevision(client: Pick<Client, 'watchChanges'>, signal: AbortSignal): Promise<string | undefined> {
  for await (const { revision } of client.watchChanges(signal)) if (revision !== undefined) return `${revision}`;
  return undefined;
}

function lineOf(context: Context, event: EventLine): string {
  const time = `${event.atIsAbout === true ? '~' : ''}${formatTime(event.at, context)}`;
  if (context.quiet) return `${printable(event.text)}\n`;
  const type = context.paint(event.type.padEnd(typeChars), toneOf(event.type));
  return `${context.paint(time, 'dim')}  ${type}  ${printable(event.text)}\n`;
}

const tones: Readonly<Partial<Record<EventType, Tone>>> = {
  'instance.healthy': 'good',
  'instance.failed': 'bad',
  'instance.unhealthy': 'bad',
  'instance.pending': 'warn',
  'instance.moved': 'warn',
  'node.joined': 'good',
  'node.back': 'good',
  'node.lost': 'bad',
  'node.gone': 'warn',
  'node.in-doubt': 'bad',
  'leader.changed': 'warn',
  'hold.begun': 'bad',
  'events.lost': 'bad',
};

function toneOf(type: EventType): Tone {
  return tones[type] ?? 'plain';
}
