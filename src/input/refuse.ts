import { AgentError } from '../domain/errors.ts';

/** Where something was read: `web.yaml:12`. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** The error of an input file: what can't be used, where, and what was expected. */
export function refuse(what: string, at: Place, expected: string): AgentError {
  return new AgentError('INVALID_INPUT', `Cannot use ${what} at ${at.file}:${at.line}: expected ${expected}`);
}

/** A value as messages quote it: one line, bounded. */
export function quote(value: string): string {
  const shown = value.length <= 100 ? value : `${value.slice(0, 100)}…`;
  return JSON.stringify(shown);
}

/** Runs a domain parser, and says where in the file its text was. */
export function parseAt<T>(at: Place, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    throw new AgentError(error.code, `${at.file}:${at.line}: ${error.message}`, { cause: error });
  }
}
