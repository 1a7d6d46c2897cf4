import { AgentError } from '../../domain/errors.ts';
import { assertCanSpawn } from '../../host/assert-can-spawn.ts';
import type { LogLine, LogOptions } from '../port.ts';

/** A line is cut here: journald takes longer ones only when told to. */
const LINE_LIMIT = 64 * 1024;
/** `err` and worse (syslog(3)). */
const LAST_ERROR_PRIORITY = 3;

/**
 * What the unit's processes wrote, from journalctl, oldest first. The reader sets the pace: nothing is gathered here. The child
 * ends with the iteration, however that ends. On abort: the signal's reason.
 */
export async function* readJournal(
  journalctl: readonly string[],
  unit: string,
  { tail, follow }: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  signal.throwIfAborted();
  const { execa } = await import('execa'); // heavy, and most agents are never asked for logs
  const [command = 'journalctl', ...prefix] = journalctl;
  const lines = tail === undefined ? '--lines=all' : `--lines=${tail}`;
  const args = [...prefix, '--output=json', '--all', '--quiet', '--no-pager', lines];
  if (follow) args.push('--follow');
  args.push(`_SYSTEMD_UNIT=${unit}`);
  assertCanSpawn(command);
  const child = execa(command, args, { buffer: false, stdin: 'ignore', stderr: 'ignore', reject: false });
  const onAbort = () => child.kill('SIGKILL');
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    for await (const line of child.iterable({ from: 'stdout', preserveNewlines: false })) {
      signal.throwIfAborted();
      const parsed = parseJournalLine(String(line));
      if (parsed !== undefined) yield parsed;
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

/** One entry as `journalctl --output=json` prints it; undefined for one without a message. */
export function parseJournalLine(json: string): LogLine | undefined {
  let entry: unknown;
  try {
    entry = JSON.parse(json);
  } catch {
    return undefined; // cut off by a kill
  }
  if (typeof entry !== 'object' || entry === null) return undefined;
  const fields = entry as Readonly<Record<string, unknown>>;
  const message = messageText(fields['MESSAGE']);
  const microseconds = Number(fields['__REALTIME_TIMESTAMP']);
  if (message === undefined || !Number.isFinite(microseconds)) return undefined;
  const priority = Number(fields['PRIORITY'] ?? 6);
  return {
    // oxlint-disable-next-line no-restricted-globals -- writes a time that was read elsewhere; reads no clock
    at: new Date(Math.floor(microseconds / 1000)).toISOString(),
    stream: priority <= LAST_ERROR_PRIORITY ? 'stderr' : 'stdout',
    text: message.slice(0, LINE_LIMIT),
  };
}

/** Bytes that are no UTF-8 come as numbers; several fields of one name as a list. */
function messageText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  if (value.every((byte) => typeof byte === 'number')) return Buffer.from(value).toString('utf8');
  return messageText(value[0]);
}
