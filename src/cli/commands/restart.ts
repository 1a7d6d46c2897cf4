import { errorCodeOf } from '../../domain/errors.ts';
import type { Client } from '../../wire/client.ts';
import type { RestartAnswer } from '../../wire/revision-answers.ts';
import type { WorkloadChanges } from '../../wire/workload-client.ts';
import { changeWorkloads } from '../change-workloads.ts';
import { makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { changesUnder, ifSpecOption } from '../if-spec.ts';
import { waitOptions } from '../report-rollout.ts';

/** `muster restart`. */
export const restart = makeCommand({
  path: 'restart',
  summary: 'Restart workloads, one healthy instance at a time, or single instances',
  details: [
    'As with a new spec, a healthy instance is restarted only once the one before it is healthy again; what is not healthy is restarted at once. It waits until all is done, and exits as apply does.',
  ],
  args: [{ name: 'NAME', help: 'A workload, or an instance as muster ps shows it', many: true }],
  options: { ...waitOptions, ...ifSpecOption },
  examples: [
    { line: 'muster restart web', does: 'all of its instances, one after the other' },
    { line: 'muster restart web.2', does: 'that one alone' },
  ],
  async run(context, input) {
    const client = await context.client();
    const changes = changesUnder(client, input.value('if-spec'), input.args);
    const order = async (name: string) => restartNamed(context, { client, changes, name });
    const accepted = ({ instance }: RestartAnswer) => `to restart${instance === undefined ? '' : ` ${instance}`}`;
    return changeWorkloads(context, input, { accepted, expected: 'a workload or an instance', order });
  },
});

interface Named {
  readonly client: Client;
  readonly changes: WorkloadChanges;
  readonly name: string;
}

/** A workload of that name, else the instance that it means. */
async function restartNamed({ signal }: Context, { client, changes, name }: Named): Promise<RestartAnswer> {
  try {
    return await changes.restart(name, undefined, signal);
  } catch (error) {
    const code = errorCodeOf(error);
    if (code !== 'NOT_FOUND' && code !== 'INVALID_INPUT') throw error;
    const [row] = await client.instances({ name }, signal).then(({ rows }) => rows);
    if (row === undefined) throw error;
    return changes.restart(row.workload, row.slot, signal);
  }
}
