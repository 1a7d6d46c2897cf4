import { errorCodeOf } from '../../domain/errors.ts';
import type { RestartAnswer } from '../../wire/revision-answers.ts';
import { changeWorkloads } from '../change-workloads.ts';
import { makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { waitOptions } from '../report-rollout.ts';

/** `muster restart`. */
export const restart = makeCommand({
  path: 'restart',
  summary: 'Restart workloads, one healthy instance at a time, or single instances',
  details: [
    'As with a new spec, a healthy instance is restarted only once the one before it is healthy again; what is not healthy is restarted at once. It waits until all is done, and exits as apply does.',
  ],
  args: [{ name: 'NAME', help: 'A workload, or an instance as muster ps shows it', many: true }],
  options: waitOptions,
  examples: [
    { line: 'muster restart web', does: 'all of its instances, one after the other' },
    { line: 'muster restart web.2', does: 'that one alone' },
  ],
  async run(context, input) {
    const order = async (name: string) => restartNamed(context, name);
    const accepted = ({ instance }: RestartAnswer) => `to restart${instance === undefined ? '' : ` ${instance}`}`;
    return changeWorkloads(context, input, { accepted, expected: 'a workload or an instance', order });
  },
});

/** A workload of that name, else the instance that it means. */
async function restartNamed(context: Context, name: string): Promise<RestartAnswer> {
  const client = await context.client();
  const { signal } = context;
  try {
    return await client.restart(name, undefined, signal);
  } catch (error) {
    const code = errorCodeOf(error);
    if (code !== 'NOT_FOUND' && code !== 'INVALID_INPUT') throw error;
    const [row] = await client.instances({ name }, signal).then(({ rows }) => rows);
    if (row === undefined) throw error;
    return client.restart(row.workload, row.slot, signal);
  }
}
