import { TOLD_PHASES } from '../domain/event.ts';
import type { ListingFilter } from '../wire/listing-filter.ts';
import type { Invocation, OptionSpec } from './command.ts';
import { Misuse } from './misuse.ts';
import { suggestWord } from './suggest.ts';

/** What an instance may be. */
export const listablePhases = [
  'pending',
  'pulling',
  'starting',
  'running',
  'stopping',
  'stopped',
  'failed',
  'orphan',
  'lost',
];
/** What a node may be. */
export const nodeStates = ['up', 'leaving', 'away', 'in-doubt', 'lost'];

const label = {
  type: 'string',
  short: 'l',
  value: 'KEY=VALUE',
  help: 'Only what has this label; given again, all of them',
} as const satisfies OptionSpec;

const node = {
  type: 'string',
  short: 'n',
  value: 'NODE',
  help: 'Only what is on this node',
} as const satisfies OptionSpec;

const phase = {
  type: 'string',
  value: 'PHASE',
  words: listablePhases,
  help: `Only what is ${listablePhases.join(', ')}; given again, any of them`,
} as const satisfies OptionSpec;

const wide = { type: 'boolean', help: 'More columns, with exact times' } as const satisfies OptionSpec;

/** Options of the listings of workloads and instances. */
export const listingOptions = {
  label,
  node,
  phase,
  wide,
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** Options of the listing of nodes. */
export const nodeListingOptions = {
  label,
  node: { ...node, help: 'Only this node' },
  phase: {
    type: 'string',
    value: 'STATE',
    words: nodeStates,
    help: `Only nodes that are ${nodeStates.join(', ')}; given again, any of them`,
  },
  wide,
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** Options of what is used: as of the listing of instances. */
export const usageOptions = { label, node, phase } as const satisfies Readonly<Record<string, OptionSpec>>;

/** Options of what happens and what has happened. */
export const eventOptions = {
  label: { ...label, help: 'Only what is about a workload or a node that has this label; given again, all of them' },
  node: { ...node, help: 'Only what is about this node; also one that is gone' },
  phase: {
    type: 'string',
    value: 'PHASE',
    words: TOLD_PHASES,
    help: `Only what tells that an instance is ${TOLD_PHASES.join(', ')}; given again, any of them`,
  },
} as const satisfies Readonly<Record<string, OptionSpec>>;

const phasesOf = { instances: listablePhases, nodes: nodeStates, events: TOLD_PHASES } as const;

/** What those options say, for the API. */
export function filterOf(
  { values }: Pick<Invocation<keyof typeof usageOptions>, 'values'>,
  of: keyof typeof phasesOf = 'instances',
): ListingFilter {
  const labels = values('label').map(checkLabel);
  const phases = values('phase').map((text) => checkPhase(text, phasesOf[of]));
  const [node, other] = values('node');
  if (other !== undefined) throw new Misuse(`Cannot use --node "${other}" too: expected one node`);
  return {
    ...(labels.length === 0 ? {} : { label: labels }),
    ...(node === undefined ? {} : { node }),
    ...(phases.length === 0 ? {} : { phase: phases }),
  };
}

/** True when nothing was narrowed: then an empty listing means that there is nothing at all. */
export function isEverything(filter: ListingFilter): boolean {
  return Object.keys(filter).length === 0;
}

function checkLabel(text: string): string {
  if (/^[^=]+=/.test(text)) return text;
  throw new Misuse(`Cannot read --label "${text}": expected KEY=VALUE`, `--label ${text}=VALUE`);
}

function checkPhase(text: string, known: readonly string[]): string {
  if (known.includes(text)) return text;
  const near = suggestWord(text, known);
  throw new Misuse(
    `Cannot read --phase "${text}": expected one of ${known.join(', ')}`,
    near === undefined ? undefined : `did you mean ${near}?`,
  );
}
