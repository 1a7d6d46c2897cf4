import { AgentError, errorCodeOf } from '../domain/errors.ts';
import type { DesiredAnswer } from '../wire/answers.ts';
import { exitCodes, type Invocation } from './command.ts';
import type { Context } from './context.ts';
import { followRollout } from './follow-rollout.ts';
import { makeNotFound } from './not-found.ts';
import { printJson } from './print-answer.ts';
import { printError } from './print-error.ts';
import { makeProgress } from './progress.ts';
import { patienceOf, reportRollout, rolloutJson, type waitOptions } from './report-rollout.ts';
import type { Goal } from './rollout.ts';

/** A change of what is desired of workloads, one after the other; then waiting for all of them. */
export interface Change {
  readonly state: Goal['state'];
  /** What is said of each once it's accepted. */
  readonly accepted: string;
  readonly order: (name: string) => Promise<DesiredAnswer>;
}

/** Orders the change for each name, says which couldn't be, and waits for the rest. */
export async function changeWorkloads(
  context: Context,
  input: Invocation<keyof typeof waitOptions>,
  change: Change,
): Promise<number> {
  const patience = patienceOf(input.value);
  const names = [...new Set(input.args)];
  const answers: DesiredAnswer[] = [];
  for (const name of names) {
    try {
      answers.push(await change.order(name));
    } catch (error) {
      context.signal.throwIfAborted();
      printError(context, await explainMissing(context, name, error));
      if (errorCodeOf(error) === 'UNAVAILABLE') return exitCodes.failed;
    }
  }
  const failed = answers.length < names.length ? exitCodes.failed : exitCodes.done;
  if (!context.json)
    for (const { name, changed } of answers)
      context.stdout.write(`${name}: ${changed ? change.accepted : 'was so already'}\n`);
  if (input.flag('no-wait') || answers.length === 0) {
    if (context.json) printJson(context, { accepted: answers, outcome: 'accepted' });
    return failed;
  }
  const goals = answers.map(({ name }): Goal => ({ name, state: change.state }));
  const followed = await followRollout(context, goals, patience, makeProgress(context));
  if (context.json) printJson(context, { accepted: answers, ...rolloutJson(followed) });
  const code = reportRollout(context, followed);
  return failed === exitCodes.done ? code : failed;
}

async function explainMissing(context: Context, name: string, error: unknown): Promise<unknown> {
  if (errorCodeOf(error) !== 'NOT_FOUND') return error;
  try {
    return await makeNotFound(context, 'a workload', name);
  } catch {
    return new AgentError('NOT_FOUND', `Cannot find "${name}": expected a workload`);
  }
}
