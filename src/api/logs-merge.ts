import { joinLines, type LogBatch, type LogText, splitBatch } from './logs-text.ts';

type Batches = AsyncIterable<LogBatch>;

interface Head {
  readonly iterator: AsyncIterator<LogBatch>;
  lines: readonly LogText[];
  next: number;
}

/** So many lines are given on together. */
const TOGETHER = 1_000;

/** All lines of logs that end and that never fail, by time. Holds what one read of each gave. */
export async function* mergeByTime(sources: readonly Batches[]): AsyncGenerator<LogBatch> {
  const [only] = sources;
  if (sources.length === 1 && only !== undefined) {
    yield* only;
    return;
  }
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  try {
    let heads = (await Promise.all(iterators.map(begin))).filter((head) => head !== undefined);
    let merged: LogText[] = [];
    while (heads.length > 0) {
      const first = heads.reduce((earliest, head) => (atOf(head) < atOf(earliest) ? head : earliest));
      merged.push(first.lines[first.next] as LogText);
      first.next += 1;
      if (first.next === first.lines.length) {
        // Before anything is waited for, what there is goes on.
        if (merged.length > 0) yield joinLines(merged);
        merged = [];
        if (!(await refill(first))) heads = heads.filter((head) => head !== first);
      }
      if (merged.length >= TOGETHER) {
        yield joinLines(merged);
        merged = [];
      }
    }
    if (merged.length > 0) yield joinLines(merged);
  } finally {
    await Promise.all(iterators.map(async (iterator) => iterator.return?.()));
  }
}

async function begin(iterator: Head['iterator']): Promise<Head | undefined> {
  const head: Head = { iterator, lines: [], next: 0 };
  return (await refill(head)) ? head : undefined;
}

async function refill(head: Head): Promise<boolean> {
  for (;;) {
    const step = await head.iterator.next();
    if (step.done === true) return false;
    head.lines = splitBatch(step.value);
    head.next = 0;
    if (head.lines.length > 0) return true;
  }
}

function atOf({ lines, next }: Head): string {
  return lines[next]?.at ?? '';
}
