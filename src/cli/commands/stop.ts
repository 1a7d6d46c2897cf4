import { changeWorkloads } from '../change-workloads.ts';
import { makeCommand } from '../command.ts';
import { changesUnder, ifSpecOption } from '../if-spec.ts';
import { waitOptions } from '../report-rollout.ts';

/** `muster stop`. */
export const stop = makeCommand({
  path: 'stop',
  summary: 'Stop workloads: their instances end, what is desired of them is kept',
  details: [],
  args: [{ name: 'NAME', help: 'A workload', many: true }],
  options: { ...waitOptions, ...ifSpecOption },
  examples: [
    { line: 'muster stop web', does: 'stop all its instances, and wait until they have ended' },
    { line: 'muster stop web redis --no-wait', does: 'only have it accepted' },
    { line: 'muster stop web --if-spec 12', does: 'only if nobody has changed it since spec 12' },
  ],
  async run(context, input) {
    const changes = changesUnder(await context.client(), input.value('if-spec'), input.args);
    const order = async (name: string) => changes.stop(name, context.signal);
    return changeWorkloads(context, input, { state: 'stop', accepted: 'to stop', order });
  },
});
