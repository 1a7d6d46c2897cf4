import { LIMITS } from '../../domain/limits.ts';
import type { ScaleAnswer } from '../../wire/revision-answers.ts';
import { changeWorkloads } from '../change-workloads.ts';
import { makeCommand } from '../command.ts';
import { changesUnder, ifSpecOption } from '../if-spec.ts';
import { Misuse } from '../misuse.ts';
import { waitOptions } from '../report-rollout.ts';

/** `muster scale`. */
export const scale = makeCommand({
  path: 'scale',
  summary: 'Change how many instances workloads have',
  details: [
    'Nothing that runs is restarted: instances are added, or those with the highest numbers stopped. A later apply sets the number that its file says.',
  ],
  args: [{ name: 'NAME=N', help: 'A workload, and how many instances it is to have', many: true }],
  options: { ...waitOptions, ...ifSpecOption },
  examples: [
    { line: 'muster scale web=5', does: 'have five, and wait until all are healthy' },
    { line: 'muster scale web=0 worker@.service=3 --no-wait', does: 'several, only accepted' },
  ],
  async run(context, input) {
    const wanted = new Map(input.args.map(parseScale));
    const changes = changesUnder(await context.client(), input.value('if-spec'), [...wanted.keys()]);
    const order = async (name: string) => changes.scale(name, wanted.get(name) ?? 0, context.signal);
    const accepted = ({ replicas }: ScaleAnswer) => `to have ${replicas} ${replicas === 1 ? 'instance' : 'instances'}`;
    return changeWorkloads(context, input, { names: [...wanted.keys()], accepted, order });
  },
});

function parseScale(text: string): readonly [name: string, replicas: number] {
  const [, name, number] = /^(.+)=(\d{1,9})$/.exec(text) ?? [];
  if (name === undefined || Number(number) > LIMITS.replicas) {
    throw new Misuse(`Cannot scale "${text}": expected a name and a number up to ${LIMITS.replicas}, as web=3`);
  }
  return [name, Number(number)];
}
