import { errorCodeOf, errorText } from '../domain/errors.ts';
import type { Terminal } from './context.ts';
import { Misuse } from './misuse.ts';
import { printable } from './table.ts';

/** `muster: <message>`, what to do about it, and with MUSTER_DEBUG where it came from. */
export function printError(terminal: Pick<Terminal, 'stderr' | 'env'>, error: unknown): void {
  const { stderr, env } = terminal;
  stderr.write(`muster: ${printable(errorText(error)) || 'failed'}\n`);
  const hint = hintFor(error);
  if (hint !== undefined) stderr.write(`  hint: ${printable(hint)}\n`);
  if ((env['MUSTER_DEBUG'] ?? '') === '') return;
  stderr.write(`  code: ${errorCodeOf(error)}\n`);
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1)
    stderr.write(`${at.stack ?? at.message}\n`);
}

function hintFor(error: unknown): string | undefined {
  if (error instanceof Misuse) return error.hint;
  switch (errorCodeOf(error)) {
    case 'UNAVAILABLE':
      return 'systemctl status muster tells how the agent is';
    case 'FORBIDDEN':
      return errorText(error).startsWith('Cannot open')
        ? 'the socket is for root and the group "muster": try with sudo'
        : '"muster context show" tells as whom you ask';
    case 'UNAUTHENTICATED':
      return '"muster context show" tells with which certificate you ask, and until when it is good';
    case 'INTERNAL':
      return error instanceof Error && 'code' in error ? undefined : 'MUSTER_DEBUG=1 shows where it came from';
    case 'STALE':
      return errorText(error).startsWith('Cannot change')
        ? 'nothing was changed; muster inspect NAME shows what is there now'
        : undefined;
    case 'NOT_FOUND':
      return 'muster ls and muster ps show what there is';
    default:
      return undefined;
  }
}
