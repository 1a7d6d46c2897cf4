import { AgentError, type ErrorCode } from '../domain/errors.ts';

/** What HTTP itself has a word for. */
export type RefusalStatus = 405 | 408 | 415 | 426 | 429 | 431;

const codes = {
  405: 'INVALID_INPUT',
  408: 'UNAVAILABLE',
  415: 'INVALID_INPUT',
  426: 'INVALID_INPUT',
  429: 'LIMIT',
  431: 'LIMIT',
} as const satisfies Record<RefusalStatus, ErrorCode>;

/** A request that is refused before its route is asked, with the status and the headers that clients go by. */
export class Refusal extends AgentError {
  readonly status: RefusalStatus;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: RefusalStatus, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(codes[status], message);
    this.status = status;
    this.headers = headers;
  }
}

/** 429: a client that asks too often. `expected` ends the sentence. */
export function refuseTooMany(expected: string, retryAfterS: number): Refusal {
  const headers = { 'retry-after': String(Math.max(1, Math.ceil(retryAfterS))) };
  return new Refusal(429, `Cannot answer so many requests: expected ${expected}`, headers);
}
