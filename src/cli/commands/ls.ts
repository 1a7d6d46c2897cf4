import type { WorkloadRow } from '../../wire/answers.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context, Tone } from '../context.ts';
import { formatAge, formatTime } from '../durations.ts';
import { filterOf, isEverything, listingOptions } from '../listing.ts';
import { explainNode } from '../not-found.ts';
import { printJson, printNames, printTable, printWarnings } from '../print-answer.ts';
import type { Cell, Column } from '../table.ts';

/** `muster ls`: what is desired, and how far it is. */
export const ls = makeCommand({
  path: 'ls',
  summary: 'List workloads: what is desired, and how much of it runs',
  details: ['With several filters, all must hold.'],
  args: [],
  options: listingOptions,
  live: true,
  examples: [
    { line: 'muster ls', does: 'one line a workload' },
    { line: 'muster ls --phase failed', does: 'those of which an instance has failed' },
    { line: 'muster ls --watch', does: 'again whenever something changes' },
    { line: 'muster ls -q', does: 'their names, for scripts' },
    { line: 'muster ls --json', does: 'all there is to know, for programs' },
  ],
  async run(context, input) {
    const filter = filterOf(input);
    const client = await context.client();
    const answer = await client.workloads(filter, context.signal).catch(explainNode(context, filter));
    const sorted = answer.workloads.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    if (context.json) printJson(context, answer);
    else if (context.quiet)
      printNames(
        context,
        sorted.map(({ name }) => name),
      );
    else show(context, sorted, { wide: input.flag('wide') || context.utc, all: isEverything(filter) });
    if (!context.json) printWarnings(context, answer.problems);
    return exitCodes.done;
  },
});

function show(context: Context, rows: readonly WorkloadRow[], how: { readonly wide: boolean; readonly all: boolean }) {
  const columns: readonly Column[] = [
    { title: 'WORKLOAD' },
    { title: 'KIND', spare: 3 },
    { title: 'DESIRED' },
    { title: 'HEALTHY', align: 'right' },
    { title: 'SPEC', align: 'right', spare: 2 },
    { title: 'CHANGED', align: 'right', spare: 1 },
    ...(how.wide
      ? [
          { title: 'CHANGED AT', spare: 4 },
          { title: 'CREATED AT', spare: 5 },
          { title: 'DISCONNECT', spare: 6 },
        ]
      : []),
    { title: 'IN THE WAY', shrinks: true },
  ];
  const empty = how.all ? 'No workloads. "muster apply FILE" brings some.' : 'No workloads match.';
  printTable(
    context,
    columns,
    rows.map((row) => cells(context, row, how.wide)),
    empty,
  );
}

function cells(context: Context, row: WorkloadRow, wide: boolean): readonly Cell[] {
  const { summary, scale } = row;
  const tone: Tone = summary.converged ? 'good' : summary.blocked ? 'bad' : 'warn';
  const [first] = summary.problems;
  const more = summary.problems.length > 1 ? ` (and ${summary.problems.length - 1} more)` : '';
  const exact = [formatTime(row.changedAt, context), formatTime(row.createdAt, context), row.disconnect];
  return [
    { text: row.name, tone: 'strong' },
    { text: row.kind },
    { text: row.removing ? 'remove' : scale.kind === 'global' && row.desired === 'run' ? 'run, global' : row.desired },
    { text: `${summary.healthy}/${summary.wanted}`, tone },
    { text: String(row.spec) },
    { text: formatAge(row.changedAt, context.clock.wallTime()) },
    ...(wide ? exact.map((text) => ({ text })) : []),
    { text: first === undefined ? '' : `${first.instance}: ${first.text}${more}` },
  ];
}
