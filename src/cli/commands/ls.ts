import type { WorkloadRow } from '../../wire/answers.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Tone } from '../context.ts';
import { formatAge } from '../durations.ts';
import { printJson, printTable, printWarnings } from '../print-answer.ts';
import type { Cell, Column } from '../table.ts';

const columns: readonly Column[] = [
  { title: 'WORKLOAD' },
  { title: 'KIND' },
  { title: 'DESIRED' },
  { title: 'HEALTHY', align: 'right' },
  { title: 'SPEC', align: 'right' },
  { title: 'CHANGED', align: 'right' },
  { title: 'IN THE WAY', shrinks: true },
];

/** `muster ls`: what is desired, and how far it is. */
export const ls = makeCommand({
  path: 'ls',
  summary: 'List workloads: what is desired, and how much of it runs',
  details: [],
  args: [],
  options: {},
  examples: [{ line: 'muster ls --json', does: 'the same for programs' }],
  async run(context) {
    const client = await context.client();
    const answer = await client.workloads({}, context.signal);
    if (context.json) {
      printJson(context, answer);
      return exitCodes.done;
    }
    const now = context.clock.wallTime();
    const sorted = answer.workloads.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    printTable(
      context,
      columns,
      sorted.map((row) => cells(row, now)),
      'No workloads. "muster apply FILE" brings some.',
    );
    printWarnings(context, answer.problems);
    return exitCodes.done;
  },
});

function cells(row: WorkloadRow, now: Date): readonly Cell[] {
  const { summary, scale } = row;
  const tone: Tone = summary.converged ? 'good' : summary.blocked ? 'bad' : 'warn';
  const [first] = summary.problems;
  const more = summary.problems.length > 1 ? ` (and ${summary.problems.length - 1} more)` : '';
  return [
    { text: row.name, tone: 'strong' },
    { text: row.kind },
    { text: row.removing ? 'remove' : scale.kind === 'global' && row.desired === 'run' ? 'run, global' : row.desired },
    { text: `${summary.healthy}/${summary.wanted}`, tone },
    { text: String(row.spec) },
    { text: formatAge(row.changedAt, now) },
    { text: first === undefined ? '' : `${first.instance}: ${first.text}${more}` },
  ];
}
