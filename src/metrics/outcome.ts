import { errorCodeOf } from '../domain/errors.ts';

/** How something ended, as a label: `ok`, `aborted` where it was told to end, else the error's code in lower case. */
export function outcomeOf(error: unknown, wasAborted: boolean): string {
  if (error === undefined) return 'ok';
  return wasAborted ? 'aborted' : errorCodeOf(error).toLowerCase().replace('_', '-');
}
