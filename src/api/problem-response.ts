import { type ErrorCode, errorCodeOf, errorText } from '../domain/errors.ts';
import type { Problem } from '../wire/problem.ts';

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

/** What a client is told of any thrown value. */
export function makeProblem(error: unknown, requestId: string): Problem {
  const code = errorCodeOf(error);
  const detail = errorText(error);
  const [, expected] = /: expected (.+)$/s.exec(detail) ?? [];
  return {
    type: 'about:blank',
    title: titles[code],
    status: statuses[code],
    detail,
    code,
    ...(expected === undefined ? {} : { expected }),
    requestId,
  };
}

/** The answer to a request that failed (RFC 9457). */
export function problemResponse(problem: Problem): Response {
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: { 'content-type': 'application/problem+json', 'x-request-id': problem.requestId ?? '' },
  });
}
