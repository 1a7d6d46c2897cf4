import { StaleSpec } from '../cluster/expected-spec.ts';
import { type ErrorCode, errorCodeOf, errorText } from '../domain/errors.ts';
import type { Problem } from '../wire/problem.ts';
import { Refusal, type RefusalStatus } from './refusal.ts';

const statuses = {
  INVALID_INPUT: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  STALE: 412,
  LIMIT: 413,
  FULL: 507,
  FENCED: 503,
  UNAVAILABLE: 503,
  INTERNAL: 500,
} as const satisfies Record<ErrorCode, number>;

const titles = {
  INVALID_INPUT: 'Invalid input',
  UNAUTHENTICATED: 'Not authenticated',
  FORBIDDEN: 'Not allowed',
  NOT_FOUND: 'Not found',
  CONFLICT: 'In conflict with the present state',
  STALE: 'Out of date',
  LIMIT: 'Over a limit',
  FULL: 'The store is out of space',
  FENCED: 'No longer entitled',
  UNAVAILABLE: 'Not available now',
  INTERNAL: 'Internal error',
} as const satisfies Record<ErrorCode, string>;

const refusalTitles = {
  405: 'Method not allowed',
  408: 'Too slow',
  415: 'Unsupported media type',
  426: 'Upgrade required',
  429: 'Too many requests',
  431: 'Headers too large',
} as const satisfies Record<RefusalStatus, string>;

/** What a client is told of any thrown value. */
export function makeProblem(error: unknown, requestId: string): Problem {
  const code = errorCodeOf(error);
  const detail = errorText(error);
  const [, expected] = /: expected (.+)$/s.exec(detail) ?? [];
  const refusal = error instanceof Refusal ? error.status : undefined;
  return {
    type: 'about:blank',
    title: refusal === undefined ? titles[code] : refusalTitles[refusal],
    status: refusal ?? statuses[code],
    detail,
    code,
    ...(expected === undefined ? {} : { expected }),
    ...(error instanceof StaleSpec && error.current !== undefined ? { current: error.current } : {}),
    requestId,
  };
}

/** The answer to a request that failed (RFC 9457). A lost precondition has the tag of what is there now. */
export function problemResponse(error: unknown, requestId: string): Response {
  const problem = makeProblem(error, requestId);
  const etag = error instanceof StaleSpec && error.current !== undefined ? { etag: specTag(error.current.spec) } : {};
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      'content-type': 'application/problem+json',
      'x-request-id': requestId,
      ...(error instanceof Refusal ? error.headers : {}),
      ...etag,
    },
  });
}

/** A workload's entity tag: the number of its present spec. */
export function specTag(spec: number): string {
  return `"${spec}"`;
}
