import { changeWorkloads } from '../change-workloads.ts';
import { makeCommand } from '../command.ts';
import { waitOptions } from '../report-rollout.ts';

/** `muster stop`. */
export const stop = makeCommand({
  path: 'stop',
  summary: 'Stop workloads: their instances end, what is desired of them is kept',
  details: [],
  args: [{ name: 'NAME', help: 'A workload', many: true }],
  options: waitOptions,
  examples: [
    { line: 'muster stop web', does: 'stop all its instances, and wait until they have ended' },
    { line: 'muster stop web redis --no-wait', does: 'only have it accepted' },
  ],
  async run(context, input) {
    const client = await context.client();
    const order = async (name: string) => client.stop(name, context.signal);
    return changeWorkloads(context, input, { state: 'stop', accepted: 'to stop', order });
  },
});
