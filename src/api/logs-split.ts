import { AgentError } from '../domain/errors.ts';
import type { Clock } from '../loop/clock.ts';
import type { LogBatch } from './logs-text.ts';

/** When a stream counts as broken. */
export interface StreamLimits {
  readonly clock: Clock;
  readonly silenceMs: number;
  /** Who sends it. */
  readonly who: string;
}

/** A line of ours is at most 64 KiB of text, each character of it six bytes at worst. */
const LINE_LIMIT_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * The whole lines of a stream as they come, with their ends; signs of life and a half line at the end are dropped. Silence is counted
 * only while something is waited for. Leaving the loop ends the stream.
 */
export async function* wholeLines(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  limits: StreamLimits,
  signal: AbortSignal,
): AsyncGenerator<LogBatch> {
  const reader = body.getReader();
  let rest: readonly Uint8Array[] = [];
  let restBytes = 0;
  try {
    for (;;) {
      const { done, value } = await readWithin(reader, limits, signal);
      if (done) return;
      const end = value.lastIndexOf(NEWLINE) + 1;
      const left = value.subarray(end);
      if (end > 0) {
        const lines = value.subarray(0, end);
        const batch = restBytes === 0 ? lines : Buffer.concat([...rest, lines]);
        rest = [];
        restBytes = 0;
        if (batch.length > 1) yield batch;
      }
      if (left.length > 0) rest = [...rest, left];
      restBytes += left.length;
      if (restBytes > LINE_LIMIT_BYTES) throw new AgentError('LIMIT', `Cannot read a line from ${limits.who}`);
    }
  } finally {
    await reader.cancel().catch(() => {}); // broken: there is nothing left to end
  }
}

type Read = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>['read']>>;

function readWithin(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  { clock, silenceMs, who }: StreamLimits,
  signal: AbortSignal,
): Promise<Read> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    const onSilence = () =>
      reject(new AgentError('UNAVAILABLE', `Cannot read on from ${who}: it has been silent for ${silenceMs} ms`));
    const cancel = clock.after(silenceMs, onSilence);
    const onBroken = (cause: unknown) =>
      reject(new AgentError('UNAVAILABLE', `Cannot read on from ${who}: the connection broke`, { cause }));
    void reader
      .read()
      .then(resolve, onBroken)
      .finally(() => {
        cancel();
        signal.removeEventListener('abort', onAbort);
      });
  });
}
