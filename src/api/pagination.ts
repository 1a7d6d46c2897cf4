import { AgentError } from '../domain/errors.ts';
import type { RouteRequest } from './route.ts';

/** The most that one page may have. */
const LIMIT_MOST = 1_000;

/** How many a page has where only `page` is given. */
const LIMIT_DEFAULT = 100;

/** How a listing is ordered: by these texts of each row. They name the row for good, so that a page begins where the last one ended. */
export interface Order<T> {
  readonly keyOf: (row: T) => readonly string[];
  readonly compare: (a: readonly string[], b: readonly string[]) => number;
}

/** Part of a listing. */
export interface Page<T> {
  readonly rows: readonly T[];
  /** What to ask the next page with; absent on the last. */
  readonly next?: string;
}

/**
 * The part of the rows (in their order) that `limit` and `page` ask for; all of them where neither is given. A page begins after the
 * last row of the one before: what comes and goes meanwhile neither repeats nor hides another.
 */
export function paginate<T>(rows: readonly T[], order: Order<T>, { query }: Pick<RouteRequest, 'query'>): Page<T> {
  const limit = parseLimit(query('limit'));
  const page = query('page');
  if (limit === undefined && page === undefined) return { rows };
  const after = page === undefined ? undefined : parseToken(page);
  const rest = after === undefined ? rows : rows.filter((row) => order.compare(order.keyOf(row), after) > 0);
  const shown = rest.slice(0, limit ?? LIMIT_DEFAULT);
  const last = shown.at(-1);
  if (last === undefined || shown.length === rest.length) return { rows: shown };
  return { rows: shown, next: Buffer.from(JSON.stringify(order.keyOf(last))).toString('base64url') };
}

/** By text, part after part. */
export function compareTexts(a: readonly string[], b: readonly string[]): number {
  for (const [at, text] of a.entries()) {
    const other = b[at] ?? '';
    if (text !== other) return text < other ? -1 : 1;
  }
  return 0;
}

function parseLimit(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= LIMIT_MOST) return limit;
  throw new AgentError('INVALID_INPUT', `Cannot use limit "${text.slice(0, 50)}": expected 1 to ${LIMIT_MOST}`);
}

function parseToken(text: string): readonly string[] {
  try {
    const key: unknown = JSON.parse(Buffer.from(text.slice(0, 2_000), 'base64url').toString('utf8'));
    if (Array.isArray(key) && key.length > 0 && key.every((part) => typeof part === 'string')) return key;
  } catch {
    // said below
  }
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot use page "${text.slice(0, 50)}": expected the "next" of the page before`,
  );
}
