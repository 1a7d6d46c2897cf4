import { AgentError, type ErrorCode } from '../domain/errors.ts';

/** An error as it travels: problem details (RFC 9457) with our code. `application/problem+json`; in a stream, its last line. */
export interface Problem {
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  /** What would have been accepted, where the message says it. */
  readonly expected?: string;
  /** For `STALE`: what is there now; absent where there's nothing. */
  readonly current?: { readonly spec: number; readonly changedAt: string };
  /** The request's ID, as in the agent's log. */
  readonly requestId?: string;
}

/** A stream's last line when it ends for an error. */
export interface ProblemLine {
  readonly problem: Problem;
}

const codes = {
  INVALID_INPUT: true,
  UNAUTHENTICATED: true,
  FORBIDDEN: true,
  NOT_FOUND: true,
  CONFLICT: true,
  STALE: true,
  LIMIT: true,
  FULL: true,
  FENCED: true,
  UNAVAILABLE: true,
  INTERNAL: true,
} as const satisfies Record<ErrorCode, true>;

/** The error that a problem tells of. Whatever isn't a problem of ours becomes `INTERNAL` with what was received. */
export function parseProblem(json: unknown, status: number): AgentError {
  if (typeof json === 'object' && json !== null && 'code' in json && 'detail' in json) {
    const { code, detail } = json;
    if (typeof code === 'string' && Object.hasOwn(codes, code) && typeof detail === 'string') {
      return new AgentError(code as ErrorCode, detail);
    }
  }
  const code = status === 503 ? 'UNAVAILABLE' : status === 404 ? 'NOT_FOUND' : 'INTERNAL';
  return new AgentError(code, `Cannot understand the agent's answer with status ${status}: expected problem details`);
}
