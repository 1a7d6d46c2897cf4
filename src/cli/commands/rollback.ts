import type { RollbackAnswer } from '../../wire/revision-answers.ts';
import { changeWorkloads } from '../change-workloads.ts';
import { makeCommand } from '../command.ts';
import { changesUnder, ifSpecOption } from '../if-spec.ts';
import { Misuse } from '../misuse.ts';
import { waitOptions } from '../report-rollout.ts';

/** `muster rollback`. */
export const rollback = makeCommand({
  path: 'rollback',
  summary: 'Bring back an earlier spec of a workload, as a new one',
  details: [
    'Without --to it is the last one that differs from the present. What runs is replaced as by an apply; scale, placement and policies stay as they are. The last ten specs are kept: muster inspect NAME shows their numbers.',
  ],
  args: [{ name: 'NAME', help: 'A workload' }],
  options: {
    ...waitOptions,
    ...ifSpecOption,
    to: { type: 'string', value: 'SPEC', help: "The spec's number" },
  },
  examples: [
    { line: 'muster rollback web', does: 'undo the last change of what it runs' },
    { line: 'muster rollback web --to 12', does: 'bring back spec 12' },
  ],
  async run(context, input) {
    const to = input.value('to');
    if (to !== undefined && !/^\d{1,15}$/.test(to))
      throw new Misuse(`Cannot roll back to "${to}": expected a spec's number, as 12`);
    const changes = changesUnder(await context.client(), input.value('if-spec'), input.args);
    const order = async (name: string) =>
      changes.rollback(name, to === undefined ? undefined : Number(to), context.signal);
    const accepted = (answer: RollbackAnswer) => `spec ${answer.to} is back as spec ${answer.spec}`;
    return changeWorkloads(context, input, { state: 'run', accepted, order });
  },
});
