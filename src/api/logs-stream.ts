import { ChildAbort } from '../loop/child-abort.ts';
import type { Clock } from '../loop/clock.ts';
import { PreparedLines } from './line-stream.ts';
import type { LogText } from './logs-text.ts';

/** Nothing to tell for so long, and a blank line says that the stream still lives. */
const SIGN_OF_LIFE_MS = 5_000;
/** So many lines travel together. */
const TOGETHER = 2_000;

/** Batches as they travel, with signs of life between them. `open` is given a signal that ends with the stream. */
export async function* streamLogs(
  open: (signal: AbortSignal) => Promise<AsyncIterable<readonly LogText[]>>,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<PreparedLines> {
  using stop = new ChildAbort(signal);
  const iterator = (await open(stop.signal))[Symbol.asyncIterator]();
  try {
    for (;;) {
      const reading = iterator.next();
      while (!(await isReadWithin(reading, clock, stop.signal))) yield new PreparedLines('\n');
      const step = await reading;
      if (step.done === true) return;
      for (let at = 0; at < step.value.length; at += TOGETHER) yield prepare(step.value.slice(at, at + TOGETHER));
    }
  } finally {
    stop.abort();
    await iterator.return?.();
  }
}

function prepare(lines: readonly LogText[]): PreparedLines {
  return new PreparedLines(`${lines.map(({ text }) => text).join('\n')}\n`);
}

/** Whether it settles, one way or the other, within the time between two signs of life. */
async function isReadWithin(reading: Promise<unknown>, clock: Clock, signal: AbortSignal): Promise<boolean> {
  using timer = new ChildAbort(signal);
  const settled = reading.then(
    () => true,
    () => true,
  );
  const isLate = clock.sleep(SIGN_OF_LIFE_MS, timer.signal).then(() => false);
  const isRead = await Promise.race([settled, isLate]);
  timer.abort();
  return isRead || signal.aborted;
}
