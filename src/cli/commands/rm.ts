import { changeWorkloads } from '../change-workloads.ts';
import { makeCommand } from '../command.ts';
import { changesUnder, ifSpecOption } from '../if-spec.ts';
import { waitOptions } from '../report-rollout.ts';

/** `muster rm`. */
export const rm = makeCommand({
  path: 'rm',
  summary: 'Stop workloads and forget them',
  details: ['Named volumes stay on the nodes where they are.'],
  args: [{ name: 'NAME', help: 'A workload', many: true }],
  options: { ...waitOptions, ...ifSpecOption },
  examples: [
    { line: 'muster rm web', does: 'stop and forget it' },
    { line: 'muster rm web redis --no-wait', does: 'only have it accepted' },
  ],
  async run(context, input) {
    const changes = changesUnder(await context.client(), input.value('if-spec'), input.args);
    const order = async (name: string) => changes.remove(name, context.signal);
    return changeWorkloads(context, input, { state: 'gone', accepted: 'to be removed', order });
  },
});
