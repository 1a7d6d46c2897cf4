import type { InstancesAnswer } from '../../wire/answers.ts';
import { byInstance } from '../../wire/client.ts';
import { exitCodes, makeCommand } from '../command.ts';
import { printJson, printTable, printWarnings } from '../print-answer.ts';
import { instanceCells, instanceColumns } from '../show-instances.ts';

/** `muster ps`: what runs where. */
export const ps = makeCommand({
  path: 'ps',
  summary: 'List instances: what runs where, since when, and why not',
  details: [],
  args: [{ name: 'NAME', help: 'A workload or an instance', optional: true }],
  options: { workload: { type: 'string', short: 'w', value: 'NAME', help: 'Only the instances of this workload' } },
  examples: [
    { line: 'muster ps', does: 'all instances of the cluster' },
    { line: 'muster ps web', does: 'those of one workload' },
  ],
  async run(context, { args: [name], value }) {
    const workload = value('workload');
    const filter = { ...(workload === undefined ? {} : { workload }), ...(name === undefined ? {} : { name }) };
    const client = await context.client();
    const answer: InstancesAnswer = await client.instances(filter, context.signal);
    if (context.json) {
      printJson(context, answer);
      return exitCodes.done;
    }
    const now = context.clock.wallTime();
    const rows = answer.rows.toSorted(byInstance).map((row) => instanceCells(row, now));
    printTable(context, instanceColumns, rows, 'No instances. "muster apply FILE" brings work.');
    printWarnings(context, answer.problems);
    return exitCodes.done;
  },
});
