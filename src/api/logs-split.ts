import { AgentError } from '../domain/errors.ts';
import type { Clock } from '../loop/clock.ts';

/** When a stream counts as broken. */
export interface StreamLimits {
  readonly clock: Clock;
  readonly silenceMs: number;
  /** Who sends it. */
  readonly who: string;
}

/** A line of ours is at most 64 KiB of text, each character of it six bytes at worst. */
const LINE_LIMIT_CHARS = 1024 * 1024;

/**
 * The lines of a stream, those of one chunk together, without blank ones; a half line at the end is dropped. Silence is counted
 * only while something is waited for. Leaving the loop ends the stream.
 */
export async function* splitLines(
  body: ReadableStream<Uint8Array>,
  limits: StreamLimits,
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await readWithin(reader, limits, signal);
      if (done) return;
      const text = rest + decoder.decode(value, { stream: true });
      const end = text.lastIndexOf('\n');
      rest = text.slice(end + 1);
      if (rest.length > LINE_LIMIT_CHARS) throw new AgentError('LIMIT', `Cannot read a line from ${limits.who}`);
      const lines =
        end < 0
          ? []
          : text
              .slice(0, end)
              .split('\n')
              .filter((line) => line !== '');
      if (lines.length > 0) yield lines;
    }
  } finally {
    await reader.cancel().catch(() => {}); // broken: there is nothing left to end
  }
}

type Read = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']>>;

function readWithin(
  reader: ReadableStreamDefaultReader<Uint8Array>,
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
