import { exitCodes, makeCommand } from '../command.ts';
import { askNode, nodeArgument } from '../on-node.ts';
import { printJson, printWarnings } from '../print-answer.ts';
import { showCopies, showNode } from '../show-detail.ts';

/** `muster node inspect`. */
export const nodeInspect = makeCommand({
  path: 'node inspect',
  summary: 'Show all that is known of a node, and what is on it',
  details: [],
  args: [nodeArgument],
  options: {},
  live: true,
  examples: [{ line: 'muster node inspect node2', does: 'its state, labels, capacity, and instances' }],
  async run(context, { args: [name = ''] }) {
    const client = await context.client();
    const { node, rows, problems } = await askNode(context, name, client.inspectNode(name, context.signal));
    if (context.json) {
      printJson(context, { node, rows, problems });
      return exitCodes.done;
    }
    showNode(context, node);
    context.stdout.write('\n');
    showCopies(context, rows);
    printWarnings(context, problems);
    return exitCodes.done;
  },
});
