import type { InstanceRow } from '../../wire/answers.ts';
import type { LogEntry, LogLineEntry, LogNotice } from '../../wire/log-answers.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { LineWriter } from '../line-writer.ts';
import { Misuse } from '../misuse.ts';
import { makeNotFound, unlessMissing } from '../not-found.ts';
import { printable } from '../table.ts';

/** `muster logs`: what instances wrote. */
export const logs = makeCommand({
  path: 'logs',
  summary: 'Show what a workload or an instance wrote, wherever it runs',
  details: [
    'Lines of several instances are merged by time, each with the name of its instance before it. Where a node cannot be reached, that is said on standard error and the others are shown. With -f, an instance that moves is followed to its new node; a reader that is too slow is told how many lines it missed.',
    'With --json each line is one JSON value: a line that was written ("kind": "line") or a notice ("kind": "notice").',
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
    since: {
      type: 'string',
      value: 'TIME',
      help: 'Only lines since a time (2026-01-31T12:00:00Z), or of the last so long (10m)',
    },
    timestamps: { type: 'boolean', short: 't', help: 'Begin each line with its time' },
  },
  examples: [
    { line: 'muster logs web -f', does: 'follow all instances of a workload' },
    { line: 'muster logs hello.service -n 100', does: 'the last 100 lines of one' },
    { line: 'muster logs web.0 --since 10m -t', does: 'the last ten minutes, with times' },
  ],
  async run(context, { args: [name = ''], flag, value }) {
    const follow = flag('follow');
    const since = value('since');
    const tail = parseTail(value('tail')) ?? (follow && since === undefined ? 10 : undefined);
    const target = await findTarget(context, name);
    const client = await context.client();
    const query = { follow, ...(tail === undefined ? {} : { tail }), ...(since === undefined ? {} : { since }) };
    const entries = client.logs({ ...target.query, ...query }, context.signal);
    const missing = await print(context, entries, { displays: target.displays, timestamps: flag('timestamps') });
    context.signal.throwIfAborted();
    return missing ? exitCodes.failed : exitCodes.done;
  },
});

function parseTail(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Misuse(`Cannot read --tail "${text}": expected a number of lines`);
}

interface Target {
  readonly query: { readonly workload: string; readonly slot?: string };
  /** The instances that are known now. */
  readonly displays: ReadonlySet<string>;
}

/** The workload of that name, else the one instance. */
async function findTarget(context: Context, name: string): Promise<Target> {
  const client = await context.client();
  const answer = await unlessMissing(client.instances({ name }, context.signal));
  const [first] = answer?.rows ?? [];
  if (answer === undefined || first === undefined) throw await makeNotFound(context, 'a workload or an instance', name);
  const displays = new Set(answer.rows.map(({ display }) => display));
  if (displays.size > 1 || isWorkload(first, name)) return { query: { workload: first.workload }, displays };
  return { query: { workload: first.workload, slot: first.slot }, displays };
}

function isWorkload({ workload, display }: InstanceRow, name: string): boolean {
  return workload === name && display !== name;
}

interface Look {
  readonly displays: ReadonlySet<string>;
  readonly timestamps: boolean;
}

/** Returns whether there is something that could not be shown. */
async function print(context: Context, batches: AsyncIterable<readonly LogEntry[]>, look: Look): Promise<boolean> {
  const writer = new LineWriter(context.stdout, context.clock);
  const names = new Names(look.displays);
  let missing = false;
  try {
    for await (const batch of batches) {
      let text = '';
      for (const entry of batch) {
        if (entry.kind === 'line') {
          text += context.json ? jsonLine(entry) : lineOf(context, entry, names.widthWith(entry.instance), look);
          continue;
        }
        missing ||= entry.code !== undefined;
        if (context.json) {
          text += jsonLine(entry);
        } else {
          await writer.write(text);
          await writer.flush();
          context.stderr.write(noticeLine(entry));
          text = '';
        }
      }
      await writer.write(text);
    }
  } finally {
    await writer.flush();
  }
  return missing;
}

/** The instances that were seen so far. */
class Names {
  readonly #names: Set<string>;
  #width: number;

  constructor(names: ReadonlySet<string>) {
    this.#names = new Set(names);
    this.#width = Math.max(...[...names].map((name) => name.length));
  }

  /** How wide their column is once this one is shown, too: none for a single one. */
  widthWith(name: string): number {
    if (!this.#names.has(name)) {
      this.#names.add(name);
      this.#width = Math.max(this.#width, name.length);
    }
    return this.#names.size > 1 ? this.#width : 0;
  }
}

const jsonLine = (entry: LogEntry) => `${JSON.stringify(entry)}\n`;

function noticeLine({ text, node }: LogNotice): string {
  return `muster: ${node === undefined ? '' : `${node}: `}${printable(text)}\n`;
}

function lineOf({ paint }: Context, entry: LogLineEntry, width: number, { timestamps }: Look): string {
  const name = width === 0 ? '' : `${paint(`${entry.instance.padEnd(width)} |`, 'dim')} `;
  const time = timestamps ? `${paint(entry.at, 'dim')} ` : '';
  return `${name}${time}${entry.text}\n`;
}
