/**
 * What kind of failure this is. Programs branch on it; only `UNAVAILABLE` is worth retrying unchanged.
 * `STALE`: the caller's view is too old (a compacted revision, a lost precondition). `FENCED`: the right to write has ended.
 * `FULL`: the store is out of space: it takes nothing new until an operator has made room.
 */
export type ErrorCode =
  | 'INVALID_INPUT'
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'CONFLICT'
  | 'STALE'
  | 'LIMIT'
  | 'FULL'
  | 'FENCED'
  | 'UNAVAILABLE'
  | 'INTERNAL';

/** The one error class. Its message says what could not be done, on what, and what was expected. */
export class AgentError extends Error {
  override readonly name = 'AgentError';
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: { readonly cause: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The code of any thrown value; `INTERNAL` for what is not ours. */
export function errorCodeOf(error: unknown): ErrorCode {
  return error instanceof AgentError ? error.code : 'INTERNAL';
}

/** One line for people: the message, then the causes' messages that add something. */
export function errorText(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error, depth = 0; at !== undefined && depth < 5; depth += 1) {
    const text = at instanceof Error ? at.message : String(at);
    if (text !== '' && !parts.some((part) => part.includes(text))) parts.push(text);
    at = at instanceof Error ? at.cause : undefined;
  }
  return parts.join(': ');
}
