import type { HistoryAnswer, HistoryEntry } from '../../wire/event-answers.ts';
import type { ListingFilter } from '../../wire/listing-filter.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatTime } from '../durations.ts';
import { eventOptions, filterOf, isEverything } from '../listing.ts';
import { Misuse } from '../misuse.ts';
import { makeNotFound, unlessMissing } from '../not-found.ts';
import { printJson, printTable, printWarnings } from '../print-answer.ts';

/** `muster history`: where something has been. */
export const history = makeCommand({
  path: 'history',
  summary: 'Show where instances have been and what became of them: when, from where, to where, why',
  details: [
    'The last ten moves of each instance are always known; what else became of it, as far back as etcd keeps its history. A time with "~" before it is about right.',
    'With several filters, all must hold. A phase is that which an instance came to: a move has none. Labels are those of now.',
  ],
  args: [{ name: 'NAME', help: 'A workload or an instance' }],
  options: { ...eventOptions, moves: { type: 'boolean', help: 'Only moves from node to node' } },
  examples: [
    { line: 'muster history web', does: 'all instances of a workload' },
    { line: 'muster history web.0 --moves', does: 'why an instance is where it is' },
    { line: 'muster history web --node node2 --phase failed', does: 'what failed on one node' },
  ],
  async run(context, input) {
    const { args, flag } = input;
    const filter = filterOf(input, 'events');
    if (flag('moves') && filter.phase !== undefined)
      throw new Misuse('Cannot use --phase with --moves: a move has no phase', 'leave one of them out');
    const answer = await find(context, args[0] ?? '', filter);
    const entries = flag('moves') ? answer.entries.filter(isMove) : answer.entries;
    if (context.json) printJson(context, { ...answer, entries });
    else show(context, entries, isEverything(filter) ? 'Nothing is known of it.' : 'Nothing matches.');
    if (!context.json) printWarnings(context, answer.problems);
    return exitCodes.done;
  },
});

async function find(context: Context, name: string, filter: ListingFilter): Promise<HistoryAnswer> {
  const client = await context.client();
  const whole = await unlessMissing(client.history(name, filter, context.signal));
  if (whole !== undefined) return whole;
  const row = (await unlessMissing(client.instances({ name }, context.signal)))?.rows[0];
  if (row === undefined) throw await makeNotFound(context, 'a workload or an instance', name);
  const answer = await client.history(row.workload, filter, context.signal);
  return { ...answer, entries: answer.entries.filter(({ instance }) => instance === row.key) };
}

function isMove({ what }: HistoryEntry): boolean {
  return what === 'placed' || what === 'moved' || what === 'left';
}

function show(context: Context, entries: readonly HistoryEntry[], empty: string): void {
  const host = (node: HistoryEntry['node']) => ({ text: node?.hostname ?? '-' });
  const rows = entries.map((entry) => [
    { text: `${entry.atIsAbout === true ? '~' : ''}${formatTime(entry.at, context)}` },
    { text: entry.display, tone: 'strong' as const },
    { text: entry.what },
    host(entry.from),
    host(entry.to ?? entry.node),
    { text: entry.why ?? '' },
  ]);
  const titles = ['AT', 'INSTANCE', 'WHAT', 'FROM', 'NODE'].map((title) => ({ title }));
  printTable(context, [...titles, { title: 'WHY', shrinks: true }], rows, empty);
}
