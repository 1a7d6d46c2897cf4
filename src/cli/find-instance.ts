import { AgentError } from '../domain/errors.ts';
import type { InstanceRow } from '../wire/answers.ts';
import type { Context } from './context.ts';
import { makeNotFound, unlessMissing } from './not-found.ts';

/** The one instance that a name means; a workload's name will do where it has one that runs. */
export async function findInstance(context: Context, name: string): Promise<InstanceRow> {
  const client = await context.client();
  const answer = await unlessMissing(client.instances({ name }, context.signal));
  if (answer === undefined || answer.rows.length === 0)
    throw await makeNotFound(context, 'a workload or an instance', name);
  const running = answer.rows.filter(({ phase, role }) => phase === 'running' && role !== 'superseded');
  const rows = running.length > 0 ? running : answer.rows;
  const displays = [...new Set(rows.map(({ display }) => display))];
  const [first] = rows;
  if (first !== undefined && displays.length === 1) return first;
  const shown = displays.slice(0, 10).join(', ');
  throw new AgentError('CONFLICT', `Cannot tell which instance of "${name}" is meant: expected one of ${shown}`);
}
