import { AgentError } from '../domain/errors.ts';

/** A command line that can't be understood: exit code 2. The hint says what to type instead. */
export class Misuse extends AgentError {
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    super('INVALID_INPUT', message);
    this.hint = hint;
  }
}
