import type { ExpectedSpec } from '../cluster/expected-spec.ts';
import { AgentError } from '../domain/errors.ts';
import type { RouteRequest } from './route.ts';

/**
 * What a change asks of the workload that it finds, by its headers: `If-Match: "12"` (or several, or `*`) the number of its present
 * spec, `If-None-Match: *` that there's none. Anything else is refused: a condition that is overlooked is no condition.
 */
export function parseConditions({ header }: Pick<RouteRequest, 'header'>): ExpectedSpec | undefined {
  const match = header('if-match')?.trim();
  const noneMatch = header('if-none-match')?.trim();
  if (match !== undefined && noneMatch !== undefined)
    throw new AgentError('INVALID_INPUT', 'Cannot use two conditions: expected If-Match or If-None-Match');
  if (noneMatch !== undefined && noneMatch !== '*')
    throw new AgentError('INVALID_INPUT', `Cannot use If-None-Match "${noneMatch.slice(0, 50)}": expected *`);
  if (noneMatch !== undefined) return 'none';
  if (match === undefined) return undefined;
  return match === '*' ? 'any' : { specs: match.split(',').map(parseTag) };
}

/** A weak tag is none of ours, and never matches. */
function parseTag(text: string): number {
  const [, number] = /^"([1-9]\d{0,15})"$/.exec(text.trim()) ?? [];
  if (number !== undefined) return Number(number);
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot use If-Match ${text.trim().slice(0, 50)}: expected a spec's number in quotes, as "12"`,
  );
}
