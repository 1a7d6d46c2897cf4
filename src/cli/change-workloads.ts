import { AgentError, errorCodeOf, errorText } from '../domain/errors.ts';
import type { DesiredAnswer } from '../wire/answers.ts';
import { exitCodes, type Invocation } from './command.ts';
import type { Context } from './context.ts';
import { followRollout } from './follow-rollout.ts';
import { type Expected, makeNotFound } from './not-found.ts';
import { printJson } from './print-answer.ts';
import { printError } from './print-error.ts';
import { makeProgress } from './progress.ts';
import { patienceOf, reportRollout, rolloutJson, type waitOptions } from './report-rollout.ts';
import type { Goal } from './rollout.ts';

/** A change of what is desired of workloads, one after the other; then waiting for all of them. */
export interface Change<A extends DesiredAnswer = DesiredAnswer> {
  /** What is waited for; left out: that it is as it's desired to be, running or stopped. */
  readonly state?: Goal['state'];
  /** What is said of each once it's accepted. */
  readonly accepted: string | ((answer: A) => string);
  /** Left out: the command's arguments. */
  readonly names?: readonly string[];
  /** What a name may stand for. Left out: a workload. */
  readonly expected?: Expected;
  readonly order: (name: string) => Promise<A>;
}

/** Orders the change for each name, says which couldn't be, and waits for the rest. */
export async function changeWorkloads<A extends DesiredAnswer>(
  context: Context,
  input: Invocation<keyof typeof waitOptions>,
  change: Change<A>,
): Promise<number> {
  const patience = patienceOf(input.value);
  const { accepted, expected = 'a workload' } = change;
  const names = [...new Set(change.names ?? input.args)];
  const answers: A[] = [];
  for (const name of names) {
    try {
      answers.push(await change.order(name));
    } catch (error) {
      context.signal.throwIfAborted();
      printError(context, await explainMissing(context, { name, expected }, error));
      if (errorCodeOf(error) === 'UNAVAILABLE') return exitCodes.failed;
    }
  }
  const failed = answers.length < names.length ? exitCodes.failed : exitCodes.done;
  if (!context.json)
    for (const answer of answers)
      context.stdout.write(context.quiet ? `${answer.name}\n` : `${answer.name}: ${describe(answer, accepted)}\n`);
  if (input.flag('no-wait') || answers.length === 0) {
    if (context.json && (answers.length > 0 || failed === exitCodes.done))
      printJson(context, { accepted: answers, outcome: 'accepted' });
    return failed;
  }
  const goals = answers.map(({ name, desired, spec }): Goal => ({ name, state: change.state ?? desired, spec }));
  const followed = await followRollout(context, goals, patience, makeProgress(context));
  if (context.json) printJson(context, { accepted: answers, ...rolloutJson(followed) });
  const code = reportRollout(context, followed);
  return failed === exitCodes.done ? code : failed;
}

function describe<A extends DesiredAnswer>(answer: A, accepted: Change<A>['accepted']): string {
  if (!answer.changed) return 'was so already';
  return typeof accepted === 'string' ? accepted : accepted(answer);
}

/** Of a name that isn't there the near one is said; what else isn't found says so itself. */
async function explainMissing(
  context: Context,
  { name, expected }: { readonly name: string; readonly expected: Expected },
  error: unknown,
): Promise<unknown> {
  if (errorCodeOf(error) !== 'NOT_FOUND' || /spec/.test(errorText(error))) return error;
  try {
    return await makeNotFound(context, expected, name);
  } catch {
    return new AgentError('NOT_FOUND', `Cannot find "${name}": expected ${expected}`);
  }
}
