import { AgentError } from '../../domain/errors.ts';
import type { InstanceRow, LogEntry } from '../../wire/answers.ts';
import { byInstance } from '../../wire/client.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { followLogs, type LogSource, mergeLogs } from '../merge-logs.ts';
import { Misuse } from '../misuse.ts';
import { makeNotFound, unlessMissing } from '../not-found.ts';
import { printError } from '../print-error.ts';

/** `muster logs`: what instances wrote. */
export const logs = makeCommand({
  path: 'logs',
  summary: 'Show what a workload or an instance wrote',
  details: [
    'Lines of several instances are merged by time, each with the name of its instance before it. With --json each line is one JSON value.',
  ],
  args: [{ name: 'NAME', help: 'A workload or an instance' }],
  options: {
    follow: { type: 'boolean', short: 'f', help: 'Go on with new lines as they come, until Ctrl-C' },
    tail: {
      type: 'string',
      short: 'n',
      value: 'LINES',
      help: 'Only the last so many lines of each (with -f: 10, else all)',
    },
    timestamps: { type: 'boolean', short: 't', help: 'Begin each line with its time' },
  },
  examples: [
    { line: 'muster logs web -f', does: 'follow all instances of a workload' },
    { line: 'muster logs hello.service -n 100', does: 'the last 100 lines of one' },
  ],
  async run(context, { args: [name = ''], flag, value }) {
    const follow = flag('follow');
    const tail = parseTail(value('tail')) ?? (follow ? 10 : undefined);
    const rows = await findRows(context, name);
    const sources = await openSources(context, rows, { follow, ...(tail === undefined ? {} : { tail }) });
    const width = sources.length > 1 ? Math.max(...sources.map(({ display }) => display.length)) : 0;
    const onLine = (source: LogSource, entry: LogEntry) => {
      context.stdout.write(
        context.json ? jsonLine(source, entry) : line(context, source, entry, width, flag('timestamps')),
      );
    };
    let broken = 0;
    const onBroken = (source: LogSource, error: unknown) => {
      if (context.signal.aborted) return;
      broken += 1;
      printError(
        context,
        new AgentError('UNAVAILABLE', `Cannot show the log of "${source.display}"`, { cause: error }),
      );
    };
    if (follow) await followLogs(sources, context.clock, onLine, onBroken);
    else await mergeLogs(sources, onLine, onBroken);
    context.signal.throwIfAborted();
    return broken > 0 ? exitCodes.failed : exitCodes.done;
  },
});

function parseTail(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Misuse(`Cannot read --tail "${text}": expected a number of lines`);
}

/** One row for each instance that has a copy somewhere. */
async function findRows(context: Context, name: string): Promise<readonly InstanceRow[]> {
  const client = await context.client();
  const answer = await unlessMissing(client.instances({ name }, context.signal));
  if (answer === undefined) throw await makeNotFound(context, 'a workload or an instance', name);
  const placed = answer.rows.filter((row) => row.node !== undefined).toSorted(byInstance);
  if (placed.length === 0) {
    throw new AgentError('CONFLICT', `Cannot show the log of "${name}": expected it to be on a node, it is on none`);
  }
  return [...new Map(placed.map((row) => [row.key, row])).values()];
}

async function openSources(
  context: Context,
  rows: readonly InstanceRow[],
  options: { readonly follow: boolean; readonly tail?: number },
): Promise<readonly LogSource[]> {
  const client = await context.client();
  return rows.map(({ display, workload, slot }) => ({
    display,
    lines: client.logs({ workload, slot, ...options }, context.signal),
  }));
}

function jsonLine({ display }: LogSource, entry: LogEntry): string {
  return `${JSON.stringify({ instance: display, ...entry })}\n`;
}

function line({ paint }: Context, source: LogSource, entry: LogEntry, width: number, timestamps: boolean): string {
  const name = width === 0 ? '' : `${paint(`${source.display.padEnd(width)} |`, 'dim')} `;
  const time = timestamps ? `${paint(entry.at, 'dim')} ` : '';
  return `${name}${time}${entry.text}\n`;
}
