import { AgentError, errorCodeOf } from '../domain/errors.ts';
import type { Context } from './context.ts';
import { suggestWord } from './suggest.ts';

/** The value, or undefined when the agent says that there is no such thing: also since nothing of the kind can have such a name. */
export async function unlessMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (!['NOT_FOUND', 'INVALID_INPUT'].includes(errorCodeOf(error))) throw error;
    return undefined;
  }
}

/** What a name may stand for. */
export type Expected = 'a workload' | 'a node' | 'a workload or an instance' | 'a workload, an instance or a node';

/** There is nothing of that name: the error that says so and suggests the near one. */
export async function makeNotFound(context: Context, what: Expected, name: string): Promise<AgentError> {
  const near = suggestWord(name, await namesOf(context, what));
  const hint = near === undefined ? '' : ` (did you mean "${near}"?)`;
  return new AgentError('NOT_FOUND', `Cannot find "${name}": expected ${what}${hint}`);
}

/** All that could have been meant, as far as the agent tells. */
async function namesOf(context: Context, what: Expected): Promise<readonly string[]> {
  const client = await context.client();
  const { signal } = context;
  const lists = [
    ['workload', async () => (await client.workloads({}, signal)).workloads.map(({ name }) => name)],
    ['instance', async () => (await client.instances({}, signal)).rows.map(({ display }) => display)],
    ['node', async () => (await client.nodes({}, signal)).nodes.map(({ hostname }) => hostname)],
  ] as const;
  const asked = lists.filter(([kind]) => what.includes(kind)).map(async ([, names]) => names());
  const answers = await Promise.allSettled(asked);
  signal.throwIfAborted();
  return [...new Set(answers.flatMap((answer): string[] => (answer.status === 'fulfilled' ? answer.value : [])))];
}
