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

const wide = { type: 'boolean', help: 'More columns, with exact times' } as const satisfies OptionSpec;

/** Options of the listings of workloads and instances. */
export const listingOptions = {
  label,
  node,
  phase: { type: 'string', value: 'PHASE', help: `Only what is ${listablePhases.join(', ')}` },
  wide,
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** Options of the listing of nodes. */
export const nodeListingOptions = {
  label,
  node: { ...node, help: 'Only this node' },
  phase: { type: 'string', value: 'STATE', help: `Only nodes that are ${nodeStates.join(', ')}` },
  wide,
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** What those options say, for the API. */
export function filterOf(
  { value, values }: Pick<Invocation<keyof typeof listingOptions>, 'value' | 'values'>,
  of: 'instances' | 'nodes' = 'instances',
): ListingFilter {
  const labels = values('label').map(checkLabel);
  const [node, phase] = [value('node'), checkPhase(value('phase'), of === 'nodes' ? nodeStates : listablePhases)];
  return {
    ...(labels.length === 0 ? {} : { label: labels }),
    ...(node === undefined ? {} : { node }),
    ...(phase === undefined ? {} : { phase }),
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

function checkPhase(text: string | undefined, known: readonly string[]): string | undefined {
  if (text === undefined || known.includes(text)) return text;
  const near = suggestWord(text, known);
  throw new Misuse(
    `Cannot read --phase "${text}": expected one of ${known.join(', ')}`,
    near === undefined ? undefined : `did you mean ${near}?`,
  );
}
