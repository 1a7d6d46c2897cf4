import { makeCommand } from '../command.ts';
import { askNode, nodeArgument, printNodeChange } from '../on-node.ts';

/** `muster node cordon`. */
export const nodeCordon = makeCommand({
  path: 'node cordon',
  summary: 'Give a node no new work; what it has stays',
  details: [],
  args: [nodeArgument],
  options: {},
  examples: [{ line: 'muster node cordon node2', does: 'nothing new comes to node2' }],
  async run(context, { args: [name = ''] }) {
    const client = await context.client();
    const answer = await askNode(context, name, client.cordonNode(name, context.signal));
    return printNodeChange(context, answer, 'cordoned: it gets no new work');
  },
});
