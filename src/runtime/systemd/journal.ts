import { AgentError } from '../../domain/errors.ts';
import { assertCanSpawn } from '../../host/assert-can-spawn.ts';
import type { LogLine, LogOptions } from '../port.ts';

/** A line is cut here: journald takes longer ones only when told to. */
const LINE_LIMIT = 64 * 1024;
/** An entry that is longer than this is left out. */
const ENTRY_LIMIT_BYTES = 4 * 1024 * 1024;
/** `err` and worse (syslog(3)). */
const LAST_ERROR_PRIORITY = 3;
const NEWLINE = 0x0a;

/**
 * What the unit's processes wrote, from journalctl, oldest first, as much at once as it gave. The reader sets the pace: nothing is
 * gathered here. The child ends with the iteration, however that ends. On abort: the signal's reason.
 */
export async function* readJournal(
  journalctl: readonly string[],
  unit: string,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<readonly LogLine[]> {
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
    for await (const lines of splitEntries(child.stdout)) {
      signal.throwIfAborted();
      const parsed = lines.flatMap((line) => parseJournalLine(line) ?? []);
      if (parsed.length > 0) yield parsed;
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
  const args = ['--output=json', '--output-fields=MESSAGE,PRIORITY', '--all', '--quiet', '--no-pager', lines];
  if (since !== undefined) args.push(`--since=@${epochSeconds(since)}`);
  if (follow) args.push('--follow');
  return [...args, `_SYSTEMD_UNIT=${unit}`];
}

/** Seconds since 1970 with their fraction, as systemd.time(7) takes them after an `@`. */
function epochSeconds(at: string): string {
  const us = Temporal.Instant.from(at).epochNanoseconds / 1_000n;
  return `${us / 1_000_000n}.${String(us % 1_000_000n).padStart(6, '0')}`;
}

/** Whole lines, those of one chunk together. Holds one line at most. */
async function* splitEntries(chunks: AsyncIterable<unknown>): AsyncGenerator<readonly string[]> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of chunks as AsyncIterable<Buffer>) {
    const end = chunk.lastIndexOf(NEWLINE);
    if (end >= 0) {
      const text = Buffer.concat([...rest, chunk.subarray(0, end)]).toString('utf8');
      rest = [];
      restBytes = 0;
      yield text.split('\n');
    }
    const left = chunk.subarray(end + 1);
    restBytes += left.length;
    if (restBytes <= ENTRY_LIMIT_BYTES) rest.push(left);
    else rest = []; // what is left of it is no entry, and is left out as such
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
    at: isoTime(microseconds),
    stream: priority <= LAST_ERROR_PRIORITY ? 'stderr' : 'stdout',
    text: message.slice(0, LINE_LIMIT),
  };
}

function isoTime(microseconds: number): string {
  // oxlint-disable-next-line no-restricted-globals -- writes a time that was read elsewhere; reads no clock
  const milliseconds = new Date(Math.floor(microseconds / 1000)).toISOString();
  return `${milliseconds.slice(0, -1)}${String(microseconds % 1000).padStart(3, '0')}Z`;
}

/** Bytes that are no UTF-8 come as numbers; several fields of one name as a list. */
function messageText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  if (value.every((byte) => typeof byte === 'number')) return Buffer.from(value).toString('utf8');
  return messageText(value[0]);
}
