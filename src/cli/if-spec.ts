import type { Client } from '../wire/client.ts';
import type { SpecCondition, WorkloadChanges } from '../wire/workload-client.ts';
import type { OptionSpec } from './command.ts';
import { Misuse } from './misuse.ts';

/** The option of every command that changes workloads. */
export const ifSpecOption = {
  'if-spec': {
    type: 'string',
    value: 'SPEC',
    help: 'Only while this is its present spec, by the number that muster ls shows; else nothing is changed, and it exits 1',
  },
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** The same of an apply, which may also make what isn't there yet. */
export const ifSpecApplyOption = {
  'if-spec': {
    type: 'string',
    value: 'SPEC',
    words: ['any', 'none'],
    help: 'Only while this is the present spec, by the number that muster ls shows; any: only what is there already; none: only what is not; else nothing is changed, and it exits 1',
  },
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** The client's changes, under the condition that was typed. A spec's number is that of one workload: it's misuse with several. */
export function changesUnder(client: Client, typed: string | undefined, names: readonly string[]): WorkloadChanges {
  if (typed === undefined) return client;
  const condition = parseIfSpec(typed, names, []);
  return client.onlyIf(condition);
}

/** What `--if-spec` says. @param words what it may be besides a number */
export function parseIfSpec(
  typed: string,
  names: readonly string[],
  words: readonly ('any' | 'none')[],
): SpecCondition {
  const word = words.find((each) => each === typed);
  if (word !== undefined) return word;
  if (!/^[1-9]\d{0,14}$/.test(typed)) {
    const expected = ["a spec's number, as 12", ...words].join(', or ');
    throw new Misuse(`Cannot read --if-spec "${typed}": expected ${expected}`, 'muster ls shows the numbers');
  }
  if (new Set(names).size > 1)
    throw new Misuse(`Cannot use --if-spec ${typed} with ${names.length} workloads: expected one, whose spec it is`);
  return Number(typed);
}
