import { byInstance } from '../../wire/client.ts';
import type { ListingFilter } from '../../wire/listing-filter.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { filterOf, isEverything, listingOptions } from '../listing.ts';
import { explainNode, isMissing, isNodeMissing, makeNotFound } from '../not-found.ts';
import { printJson, printNames, printTable, printWarnings } from '../print-answer.ts';
import { instanceCells, instanceColumns } from '../show-instances.ts';

/** `muster ps`: what runs where. */
export const ps = makeCommand({
  path: 'ps',
  summary: 'List instances: what runs where, since when, and why it is as it is',
  details: ['With several filters, all must hold.'],
  args: [{ name: 'NAME', help: 'Only this workload or instance', optional: true }],
  options: {
    ...listingOptions,
    workload: { type: 'string', short: 'w', value: 'NAME', help: 'Only the instances of this workload' },
  },
  live: true,
  examples: [
    { line: 'muster ps', does: 'all instances of the cluster' },
    { line: 'muster ps web', does: 'those of one workload' },
    { line: 'muster ps --node node2 --phase running', does: 'what runs on one node' },
    { line: 'muster ps --watch', does: 'again whenever something changes' },
    { line: 'muster ps --wide --utc', does: 'with exact times, specs and addresses' },
  ],
  async run(context, input) {
    const [name] = input.args;
    const workload = input.value('workload');
    const narrowed = filterOf(input);
    const filter = {
      ...narrowed,
      ...(workload === undefined ? {} : { workload }),
      ...(name === undefined ? {} : { name }),
    };
    const answer = await ask(context, filter);
    const sorted = answer.rows.toSorted(byInstance);
    if (context.json) printJson(context, answer);
    else if (context.quiet)
      printNames(
        context,
        sorted.map(({ display }) => display),
      );
    else {
      const wide = input.flag('wide') || context.utc;
      const rows = sorted.map((row) => instanceCells(context, row, { wide }));
      const empty = isEverything(narrowed) ? 'No instances. "muster apply FILE" brings work.' : 'No instances match.';
      printTable(context, instanceColumns({ wide }), rows, empty);
    }
    if (!context.json) printWarnings(context, answer.problems);
    return exitCodes.done;
  },
});

/** A mistyped name, or node, is answered with the near one. */
async function ask(context: Context, filter: ListingFilter & { readonly workload?: string; readonly name?: string }) {
  const client = await context.client();
  const name = filter.name ?? filter.workload;
  return client.instances(filter, context.signal).catch(async (error: unknown) => {
    if (name === undefined || isNodeMissing(error) || !isMissing(error)) return explainNode(context, filter)(error);
    throw await makeNotFound(context, filter.name === undefined ? 'a workload' : 'a workload or an instance', name);
  });
}
