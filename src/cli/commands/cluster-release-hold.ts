import { exitCodes, makeCommand } from '../command.ts';
import { printJson } from '../print-answer.ts';
import { printable } from '../table.ts';

/** `muster cluster release-hold`. */
export const clusterReleaseHold = makeCommand({
  path: 'cluster release-hold',
  summary: 'Heal now what is held since many nodes vanished together',
  details: [
    'When more than a third of the nodes, and at least two, vanish together, nothing of them is replaced for a while: most often they come back. This ends the wait: their work is started on the nodes that are left, as far as these have room. "muster status" shows what is held.',
  ],
  args: [],
  options: {},
  examples: [{ line: 'muster cluster release-hold', does: 'the nodes will not come back: replace what they ran' }],
  async run(context) {
    const client = await context.client();
    const answer = await client.releaseHold(context.signal);
    if (context.json) printJson(context, answer);
    else {
      for (const { nodes, reason } of answer.released) {
        const names = nodes.map(({ hostname }) => hostname).join(', ');
        context.stdout.write(`released ${printable(names)}: ${printable(reason)}\n`);
      }
    }
    return exitCodes.done;
  },
});
