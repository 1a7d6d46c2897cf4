import { changeWorkloads } from '../change-workloads.ts';
import { makeCommand } from '../command.ts';
import { changesUnder, ifSpecOption } from '../if-spec.ts';
import { waitOptions } from '../report-rollout.ts';

/** `muster start`. */
export const start = makeCommand({
  path: 'start',
  summary: 'Run workloads that were stopped',
  details: ['They run with the spec that was applied last.'],
  args: [{ name: 'NAME', help: 'A workload', many: true }],
  options: { ...waitOptions, ...ifSpecOption },
  examples: [
    { line: 'muster start web', does: 'run it again, and wait until it is healthy' },
    { line: 'muster start web redis --no-wait', does: 'only have it accepted' },
  ],
  async run(context, input) {
    const changes = changesUnder(await context.client(), input.value('if-spec'), input.args);
    const order = async (name: string) => changes.start(name, context.signal);
    return changeWorkloads(context, input, { state: 'run', accepted: 'to run', order });
  },
});
