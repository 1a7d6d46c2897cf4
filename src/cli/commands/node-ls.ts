import type { NodeRow } from '../../wire/answers.ts';
import { exitCodes, makeCommand } from '../command.ts';
import { formatAge } from '../durations.ts';
import { printJson, printTable, printWarnings } from '../print-answer.ts';
import { formatBytes, formatLabels, nodeStateCell } from '../show-nodes.ts';
import type { Cell, Column } from '../table.ts';

const columns: readonly Column[] = [
  { title: 'NODE' },
  { title: 'ID' },
  { title: 'STATE' },
  { title: 'ROLE' },
  { title: 'ADDRESS' },
  { title: 'INSTANCES', align: 'right' },
  { title: 'CPUS', align: 'right' },
  { title: 'MEMORY', align: 'right' },
  { title: 'LABELS', shrinks: true },
  { title: 'VERSION' },
];

/** `muster node ls`: which machines there are. */
export const nodeLs = makeCommand({
  path: 'node ls',
  summary: 'List the nodes: who is here, who leads, what each carries',
  details: [],
  args: [],
  options: {},
  examples: [{ line: 'muster node ls', does: 'one line a node' }],
  async run(context) {
    const client = await context.client();
    const answer = await client.nodes({}, context.signal);
    if (context.json) {
      printJson(context, answer);
      return exitCodes.done;
    }
    const now = context.clock.wallTime();
    const sorted = answer.nodes.toSorted((a, b) => (`${a.hostname} ${a.id}` < `${b.hostname} ${b.id}` ? -1 : 1));
    printTable(
      context,
      columns,
      sorted.map((node) => cells(node, now)),
      'No nodes have joined yet.',
    );
    printWarnings(context, answer.problems);
    return exitCodes.done;
  },
});

function cells(node: NodeRow, now: Date): readonly Cell[] {
  const state = nodeStateCell(node);
  const since = node.lostSince === undefined ? '' : ` ${formatAge(node.lostSince, now)}`;
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
  ];
}
