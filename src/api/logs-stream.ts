import { ChildAbort } from '../loop/child-abort.ts';
import type { Clock } from '../loop/clock.ts';
import { PreparedLines } from './line-stream.ts';
import { gatherBatches } from './logs-gather.ts';
import type { LogBatch } from './logs-text.ts';

/** Nothing to tell for so long, and a blank line says that the stream still lives. */
const SIGN_OF_LIFE_MS = 5_000;

/** Batches as they travel, with signs of life between them. `open` is given a signal that ends with the stream. */
export async function* streamLogs(
  open: (signal: AbortSignal) => Promise<AsyncIterable<LogBatch>>,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<PreparedLines> {
  using stop = new ChildAbort(signal);
  const batches = await open(stop.signal);
  const iterator = gatherBatches(batches, clock);
  try {
    for (;;) {
      const reading = iterator.next();
      while (!(await isReadWithin(reading, clock, stop.signal))) yield new PreparedLines('\n');
      const step = await reading;
      if (step.done === true) return;
      yield new PreparedLines(step.value);
    }
  } finally {
    stop.abort();
    await iterator.return(undefined);
  }
}

/** Whether it settles, one way or the other, within the time between two signs of life. */
async function isReadWithin(reading: Promise<unknown>, clock: Clock, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return true;
  return new Promise((resolve) => {
    const end = (isRead: boolean) => {
      cancel();
      signal.removeEventListener('abort', onAbort);
      resolve(isRead);
    };
    const onAbort = () => end(true);
    const cancel = clock.after(SIGN_OF_LIFE_MS, () => end(false));
    signal.addEventListener('abort', onAbort, { once: true });
    const onSettled = () => end(true);
    reading.then(onSettled, onSettled);
  });
}
