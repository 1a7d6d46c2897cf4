import { AgentError, errorCodeOf, errorText } from '../domain/errors.ts';
import type { ListingFilter } from '../wire/listing-filter.ts';
import type { Context } from './context.ts';
import { suggestWord } from './suggest.ts';

/** The value, or undefined when the agent says that there is no such thing: also since nothing of the kind can have such a name. */
export async function unlessMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (!isMissing(error)) throw error;
    return undefined;
  }
}

/** There is no such thing, or nothing of the kind can have such a name. */
export function isMissing(error: unknown): boolean {
  return ['NOT_FOUND', 'INVALID_INPUT'].includes(errorCodeOf(error));
}

/** What isn't there is the node that a listing was to be narrowed to. */
export function isNodeMissing(error: unknown): boolean {
  return errorCodeOf(error) === 'NOT_FOUND' && errorText(error).startsWith('Cannot find node ');
}

/** What a name may stand for. */
export type Expected = 'a workload' | 'a node' | 'a workload or an instance' | 'a workload, an instance or a node';

/** There is nothing of that name: the error that says so and suggests the near one. */
export async function makeNotFound(context: Context, what: Expected, name: string): Promise<AgentError> {
  const near = suggestWord(name, await namesOf(context, what));
  const hint = near === undefined ? '' : ` (did you mean "${near}"?)`;
  return new AgentError('NOT_FOUND', `Cannot find "${name}": expected ${what}${hint}`);
}

/** For the answer to a listing: of a node that isn't there the near one is said. */
export function explainNode(context: Context, { node }: ListingFilter): (error: unknown) => Promise<never> {
  return async (error) => {
    throw node !== undefined && isNodeMissing(error) ? await makeNotFound(context, 'a node', node) : error;
  };
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
