import { AgentError } from '../../domain/errors.ts';
import { assertCanSpawn } from '../../host/assert-can-spawn.ts';
import type { LogLines, LogOptions } from '../port.ts';
import { JournalExport } from './journal-export.ts';

/**
 * What the unit's processes wrote, from journalctl, oldest first, as much at once as it gave. The reader sets the pace: nothing is
 * gathered here. The child ends with the iteration, however that ends. On abort: the signal's reason.
 */
export async function* readJournal(
  journalctl: readonly string[],
  unit: string,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<LogLines> {
  signal.throwIfAborted();
  const { execa } = await import('execa'); // heavy, and most agents are never asked for logs
  const [command = 'journalctl', ...prefix] = journalctl;
  assertCanSpawn(command);
  const child = execa(command, [...prefix, ...journalArguments(unit, options)], {
    buffer: false,
    stdin: 'ignore',
    stderr: 'ignore',
    reject: false,
  });
  const onAbort = () => child.kill('SIGKILL');
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const entries = new JournalExport();
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      const lines = entries.take(chunk);
      if (lines.length > 0) yield lines;
    }
    signal.throwIfAborted();
    const { exitCode, shortMessage } = await child;
    if (exitCode !== 0) {
      throw new AgentError(
        'INTERNAL',
        `Cannot read the journal of "${unit}": journalctl ended with ${exitCode ?? shortMessage}`,
      );
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    child.kill('SIGKILL');
    await child;
  }
}

function journalArguments(unit: string, { tail, since, follow }: LogOptions): string[] {
  const lines = tail === undefined ? '--lines=all' : `--lines=${tail}`;
  const args = ['--output=export', '--output-fields=MESSAGE,PRIORITY', '--quiet', '--no-pager', lines];
  if (since !== undefined) args.push(`--since=@${epochSeconds(since)}`);
  if (follow) args.push('--follow');
  return [...args, `_SYSTEMD_UNIT=${unit}`];
}

/** Seconds since 1970 with their fraction, as systemd.time(7) takes them after an `@`. */
function epochSeconds(at: string): string {
  const us = Temporal.Instant.from(at).epochNanoseconds / 1_000n;
  return `${us / 1_000_000n}.${String(us % 1_000_000n).padStart(6, '0')}`;
}
