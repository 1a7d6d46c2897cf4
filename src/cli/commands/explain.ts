import type { ExplainAnswer, InstanceDetail } from '../../wire/answers.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { makeNotFound, unlessMissing } from '../not-found.ts';
import { printJson, printWarnings } from '../print-answer.ts';
import { describeSummary, showMoves, showNodeReasons } from '../show-detail.ts';
import { describeRow, phaseCell } from '../show-instances.ts';
import { printable } from '../table.ts';

/** `muster explain`: why something is as it is. */
export const explain = makeCommand({
  path: 'explain',
  summary: "Say why a workload's instances are where they are, and what they wait for",
  details: [],
  args: [{ name: 'NAME', help: 'A workload or an instance' }],
  options: {},
  live: true,
  examples: [
    { line: 'muster explain redis', does: 'why it is pending, node by node, and where it has been' },
    { line: 'muster explain web.1', does: 'only that instance' },
  ],
  async run(context, { args: [name = ''] }) {
    const answer = await find(context, name);
    if (context.json) printJson(context, answer);
    else show(context, answer);
    return exitCodes.done;
  },
});

async function find(context: Context, name: string): Promise<ExplainAnswer> {
  const client = await context.client();
  const whole = await unlessMissing(client.explain(name, context.signal));
  if (whole !== undefined) return whole;
  const row = (await unlessMissing(client.instances({ name }, context.signal)))?.rows[0];
  if (row === undefined) throw await makeNotFound(context, 'a workload or an instance', name);
  const answer = await client.explain(row.workload, context.signal);
  return { ...answer, instances: answer.instances.filter(({ key }) => key === row.key) };
}

function show(context: Context, answer: ExplainAnswer): void {
  const order = answer.removing ? 'remove' : answer.desired;
  context.stdout.write(`${context.paint(answer.name, 'strong')}: ${order}, ${describeSummary(answer.summary)}\n`);
  for (const instance of answer.instances) showReasons(context, instance);
  printWarnings(context, answer.problems);
}

function showReasons(context: Context, instance: InstanceDetail): void {
  const { stdout, paint } = context;
  const phase = paint(instance.phase, phaseCell(instance.phase).tone ?? 'plain');
  const why = instance.reason === undefined ? '' : `: ${printable(instance.reason)}`;
  stdout.write(`\n${paint(instance.display, 'strong')}: ${phase}${why}\n`);
  for (const row of instance.rows) {
    if (row.node === undefined) continue;
    const told = describeRow(row);
    stdout.write(`${printable(`  on ${row.node.hostname}: ${row.phase}${told === '' ? '' : `: ${told}`}`)}\n`);
  }
  if (instance.waitsFor !== undefined) stdout.write(`  waits for: ${printable(instance.waitsFor)}\n`);
  showNodeReasons(context, instance);
  showMoves(context, instance.moves);
}
