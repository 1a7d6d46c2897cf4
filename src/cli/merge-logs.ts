import type { LogEntry } from '../wire/answers.ts';
import type { Context } from './context.ts';

/** The log of one instance. */
export interface LogSource {
  readonly display: string;
  readonly lines: AsyncIterable<LogEntry>;
}

/** Given each line in its turn. */
export type OnLine = (source: LogSource, entry: LogEntry) => void;
/** Given what ended a source early; the others go on. */
export type OnBroken = (source: LogSource, error: unknown) => void;

/** How long followed lines are gathered to be put in order: instances' lines come on different ways. */
const gatherMs = 100;
const gatherLines = 5_000;

/** All lines of logs that end, by time. Holds one line of each source. */
export async function mergeLogs(sources: readonly LogSource[], onLine: OnLine, onBroken: OnBroken): Promise<void> {
  const readers = sources.map((source) => ({ source, iterator: source.lines[Symbol.asyncIterator]() }));
  type Head = { readonly reader: (typeof readers)[number]; readonly entry: LogEntry };
  const next = async (reader: (typeof readers)[number]): Promise<Head | undefined> => {
    try {
      const step = await reader.iterator.next();
      return step.done === true ? undefined : { reader, entry: step.value };
    } catch (error) {
      onBroken(reader.source, error);
      return undefined;
    }
  };
  let heads = (await Promise.all(readers.map(next))).filter((head) => head !== undefined);
  while (heads.length > 0) {
    const first = heads.reduce((earliest, head) => (head.entry.at < earliest.entry.at ? head : earliest));
    onLine(first.reader.source, first.entry);
    const following = await next(first.reader);
    heads = heads.flatMap((head) => (head !== first ? [head] : following === undefined ? [] : [following]));
  }
}

/** Lines of logs as they come, put in order of time as far as they came together; until all sources end. */
export async function followLogs(
  sources: readonly LogSource[],
  clock: Context['clock'],
  onLine: OnLine,
  onBroken: OnBroken,
): Promise<void> {
  let gathered: { readonly source: LogSource; readonly entry: LogEntry }[] = [];
  let cancel: (() => void) | undefined;
  const flush = () => {
    cancel?.();
    cancel = undefined;
    const ready = gathered.sort((a, b) => (a.entry.at < b.entry.at ? -1 : a.entry.at > b.entry.at ? 1 : 0));
    gathered = [];
    for (const { source, entry } of ready) onLine(source, entry);
  };
  const gather = (source: LogSource, entry: LogEntry) => {
    if (sources.length === 1) {
      onLine(source, entry);
      return;
    }
    gathered.push({ source, entry });
    if (gathered.length >= gatherLines) flush();
    else cancel ??= clock.after(gatherMs, flush);
  };
  const read = async (source: LogSource) => {
    try {
      for await (const entry of source.lines) gather(source, entry);
    } catch (error) {
      onBroken(source, error);
    }
  };
  await Promise.all(sources.map(read));
  flush();
}
