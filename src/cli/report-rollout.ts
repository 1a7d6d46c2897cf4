import { exitCodes, type OptionSpec } from './command.ts';
import type { Context } from './context.ts';
import { durationOption, formatSeconds } from './durations.ts';
import type { FollowedRollout } from './follow-rollout.ts';
import { printWarnings } from './print-answer.ts';
import type { Goal, Outcome, Patience } from './rollout.ts';
import { printable } from './table.ts';

/** The options of every command that waits for what it ordered. */
export const waitOptions = {
  'no-wait': { type: 'boolean', help: 'Return once the change is accepted' },
  timeout: {
    type: 'string',
    short: 't',
    value: 'DURATION',
    help: 'How long to wait (5m); then exit 3, and the cluster goes on',
  },
  'give-up': {
    type: 'string',
    value: 'DURATION',
    help: 'How long nothing may get better once all that is left has failed or can be placed nowhere (30s); then exit 1',
  },
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** What those options say. */
export function patienceOf(value: (name: 'timeout' | 'give-up') => string | undefined): Patience {
  return {
    timeoutMs: durationOption('--timeout', value('timeout') ?? '5m'),
    giveUpMs: durationOption('--give-up', value('give-up') ?? '30s'),
  };
}

/** Says how it ended, and what is in the way; returns the exit code. */
export function reportRollout(context: Context, followed: FollowedRollout): number {
  const { outcome, rollout, tookMs } = followed;
  if (!context.json && !context.quiet && outcome === 'converged') {
    const { stdout, paint } = context;
    stdout.write(
      `${paint('done', 'good')}: ${describeGoals(rollout.all.map(({ goal }) => goal))} in ${formatSeconds(tookMs)}\n`,
    );
  }
  if (outcome === 'converged') {
    printWarnings(
      context,
      rollout.all.flatMap(({ goal, frame }) =>
        (frame?.summary.problems ?? []).map(({ text }) => `${goal.name}: ${text}`),
      ),
    );
  } else reportTrouble(context, followed);
  return outcomeCodes[outcome];
}

const outcomeCodes: Readonly<Record<Outcome, number>> = {
  converged: exitCodes.done,
  stuck: exitCodes.failed,
  overtaken: exitCodes.failed,
  timeout: exitCodes.notConverged,
};

/** The JSON that commands print for what they waited for. */
export function rolloutJson({ outcome, rollout, tookMs }: FollowedRollout): object {
  const workloads = rollout.all.map(({ goal, frame }) => ({
    name: goal.name,
    summary: frame?.summary,
    rows: frame?.all ?? [],
  }));
  return { outcome, tookMs: Math.round(tookMs), workloads };
}

function reportTrouble({ stderr }: Context, { outcome, rollout, tookMs }: FollowedRollout): void {
  const names = rollout.open.map(({ goal }) => `"${goal.name}"`);
  const list = names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
  stderr.write(`muster: ${printable(sentences[outcome](list, formatSeconds(tookMs)))}\n`);
  for (const { goal, frame } of rollout.open) {
    if (frame === undefined) stderr.write(`  ${goal.name}: nothing heard of it yet\n`);
    const problems = frame?.summary.problems ?? [];
    for (const { instance, phase, text } of problems.slice(0, 10))
      stderr.write(`  ${printable(`${instance} ${phase}: ${text}`)}\n`);
    if (problems.length > 10) stderr.write(`  and ${problems.length - 10} more of ${goal.name}\n`);
  }
  const first = rollout.open[0]?.goal.name;
  if (outcome !== 'overtaken' && first !== undefined)
    stderr.write(`  the cluster goes on trying; muster explain ${first} tells more\n`);
}

const sentences: Readonly<Record<Outcome, (names: string, took: string) => string>> = {
  converged: (names) => `Reached ${names}`,
  stuck: (names, took) =>
    `Cannot bring ${names} to what was ordered: what is left has failed or can be placed nowhere (waited ${took})`,
  timeout: (names, took) => `Accepted, but ${names} has not come to what was ordered within ${took}`,
  overtaken: (names) => `Cannot wait for ${names} any longer: somebody has ordered something else meanwhile`,
};

function describeGoals(goals: readonly Goal[]): string {
  const states = { run: 'running', stop: 'stopped', gone: 'removed' };
  const [first] = goals;
  if (first === undefined) return 'nothing to do';
  return goals.length === 1
    ? `${first.name} ${states[first.state]}`
    : `${goals.length} workloads ${states[first.state]}`;
}
