import { AgentError, errorCodeOf } from '../domain/errors.ts';
import type { Context } from './context.ts';
import { suggestWord } from './suggest.ts';

/** The value, or undefined when the agent says that there is no such thing. */
export async function unlessMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (errorCodeOf(error) !== 'NOT_FOUND') throw error;
    return undefined;
  }
}

/** There is nothing of that name: the error that says so and suggests the near one. */
export async function makeNotFound(context: Context, what: string, name: string): Promise<AgentError> {
  const client = await context.client();
  const { workloads } = await client.workloads({}, context.signal);
  const near = suggestWord(
    name,
    workloads.map((workload) => workload.name),
  );
  const hint = near === undefined ? '' : ` (did you mean "${near}"?)`;
  return new AgentError('NOT_FOUND', `Cannot find "${name}": expected ${what}${hint}`);
}
