import type { NodeRow } from '../../wire/answers.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatAge, formatTime } from '../durations.ts';
import { filterOf, isEverything, nodeListingOptions } from '../listing.ts';
import { explainNode } from '../not-found.ts';
import { printJson, printNames, printTable, printWarnings } from '../print-answer.ts';
import { formatBytes, formatLabels, formatRuntimes, nodeStateCell } from '../show-nodes.ts';
import type { Cell, Column } from '../table.ts';

/** `muster node ls`: which machines there are. */
export const nodeLs = makeCommand({
  path: 'node ls',
  summary: 'List the nodes: who is here, who leads, what each carries',
  details: ['With several filters, all must hold.'],
  args: [],
  options: nodeListingOptions,
  live: true,
  examples: [
    { line: 'muster node ls', does: 'one line a node' },
    { line: 'muster node ls --phase lost', does: 'those that are gone' },
    { line: 'muster node ls --label zone=a -q', does: "the names of a zone's nodes, for scripts" },
  ],
  async run(context, input) {
    const filter = filterOf(input, 'nodes');
    const client = await context.client();
    const answer = await client.nodes(filter, context.signal).catch(explainNode(context, filter));
    const sorted = answer.nodes.toSorted((a, b) => (`${a.hostname} ${a.id}` < `${b.hostname} ${b.id}` ? -1 : 1));
    if (context.json) printJson(context, answer);
    else if (context.quiet)
      printNames(
        context,
        sorted.map(({ hostname }) => hostname),
      );
    else show(context, sorted, { wide: input.flag('wide') || context.utc, all: isEverything(filter) });
    if (!context.json) printWarnings(context, answer.problems);
    return exitCodes.done;
  },
});

function show(context: Context, rows: readonly NodeRow[], how: { readonly wide: boolean; readonly all: boolean }) {
  const columns: readonly Column[] = [
    { title: 'NODE' },
    { title: 'ID', spare: 5 },
    { title: 'STATE' },
    { title: 'ROLE' },
    { title: 'ADDRESS', spare: 3 },
    { title: 'INSTANCES', align: 'right', spare: 1 },
    { title: 'CPUS', align: 'right', spare: 7 },
    { title: 'MEMORY', align: 'right', spare: 6 },
    { title: 'LABELS', shrinks: true, spare: 2 },
    { title: 'VERSION', spare: 4 },
    ...(how.wide
      ? [
          { title: 'LOST SINCE', spare: 8 },
          { title: 'RUNTIMES', shrinks: true, spare: 9 },
          { title: 'MACHINE ID', spare: 10 },
        ]
      : []),
  ];
  const empty = how.all ? 'No nodes have joined yet.' : 'No nodes match.';
  printTable(
    context,
    columns,
    rows.map((node) => cells(context, node, how.wide)),
    empty,
  );
}

function cells(context: Context, node: NodeRow, wide: boolean): readonly Cell[] {
  const state = nodeStateCell(node);
  const since = node.lostSince === undefined ? '' : ` ${formatAge(node.lostSince, context.clock.wallTime())}`;
  const lostAt = node.lostSince === undefined ? '-' : formatTime(node.lostSince, context);
  return [
    { text: node.hostname, tone: 'strong' },
    { text: node.id.slice(0, 8) },
    { ...state, text: state.text + since },
    { text: node.leader ? 'leader' : '-', tone: node.leader ? 'good' : 'dim' },
    { text: node.advertise },
    { text: String(node.instances) },
    { text: String(node.capacity.cpus) },
    { text: formatBytes(node.capacity.memoryBytes) },
    { text: formatLabels(node.labels) },
    { text: node.agentVersion },
    ...(wide ? [{ text: lostAt }, { text: formatRuntimes(node.runtimes) }, { text: node.machineId }] : []),
  ];
}
