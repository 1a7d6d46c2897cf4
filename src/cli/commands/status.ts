import { exitCodes, makeCommand } from '../command.ts';
import { printJson, printWarnings } from '../print-answer.ts';
import { showStatus } from '../show-status.ts';

/** `muster status`: the cluster on one screen. */
export const status = makeCommand({
  path: 'status',
  summary: 'Show the cluster on one screen: who leads, who is missing, what is held, what is not as desired',
  details: ['It also answers while etcd is away, with what this node knows by itself, and then ends with code 1.'],
  args: [],
  options: {},
  live: true,
  examples: [
    { line: 'muster status', does: 'the state of the cluster, for people' },
    { line: 'muster status --json', does: 'the same for programs' },
  ],
  async run(context) {
    const client = await context.client();
    const answer = await client.status(context.signal);
    if (context.json) printJson(context, answer);
    else showStatus(context, answer);
    printWarnings(context, answer.cluster?.problems ?? []);
    return answer.etcd.answers ? exitCodes.done : exitCodes.failed;
  },
});
