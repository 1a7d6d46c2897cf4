import { makeCommand } from '../command.ts';
import { askNode, nodeArgument, printNodeChange } from '../on-node.ts';

/** `muster node uncordon`. */
export const nodeUncordon = makeCommand({
  path: 'node uncordon',
  summary: 'Give a node work again: ends a cordon and a drain',
  details: [
    'What has left the node stays where it is: nothing moves back for this alone, except data that waits for it.',
  ],
  args: [nodeArgument],
  options: {},
  examples: [{ line: 'muster node uncordon node2', does: 'node2 is as any other node again' }],
  async run(context, { args: [name = ''] }) {
    const client = await context.client();
    const answer = await askNode(context, name, client.uncordonNode(name, context.signal));
    return printNodeChange(context, answer, 'uncordoned: it gets work again');
  },
});
