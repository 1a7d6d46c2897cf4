import { AgentError } from '../domain/errors.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { Clock } from '../loop/clock.ts';
import type { LogLine, LogLines } from '../runtime/port.ts';
import type { LogBatch } from './logs-text.ts';

/** How much is held for a reader that is slower than what it follows. */
export interface ReadAheadLimits {
  readonly lines: number;
  readonly bytes: number;
  /** A reader that is so far behind loses the oldest of what is held. */
  readonly lagMs: number;
}

export const defaultReadAhead: ReadAheadLimits = { lines: 5_000, bytes: 1024 * 1024, lagMs: 5_000 };

/** Lines that were written just now: from them on the reader is up to date, or behind. */
const FRESH_MS = 1_000;
/** So long without a line, and all that was written has been read. */
const IDLE_MS = 200;

/** Where the lines come from, and how they are held. */
export interface ReadAheadSource {
  /** They end when its signal aborts. */
  readonly open: (signal: AbortSignal) => AsyncIterable<LogLines>;
  readonly encode: (lines: LogLines) => LogBatch;
}

/** Lines, or how many were left out before the next ones. */
export type ReadAheadItem = { readonly batch: LogBatch } | { readonly lost: number };

interface Held {
  readonly batch: LogBatch;
  readonly lines: number;
}

/**
 * Lines as they are written, held up to a limit for a reader that doesn't keep up. What was written before is read as fast as the
 * reader takes it, and nothing of it is lost. From then on whoever is too far behind loses the oldest lines, and is told how many:
 * neither this process's memory nor what writes the lines pays for a slow reader.
 */
export class ReadAhead {
  readonly #source: ReadAheadSource;
  readonly #clock: Clock;
  readonly #limits: ReadAheadLimits;
  #held: Held[] = [];
  #lines = 0;
  #bytes = 0;
  #lost = 0;
  #isLive = false;
  #end: { readonly error?: unknown } | undefined;
  #onMore = () => {};
  #onRoom = () => {};

  constructor(source: ReadAheadSource, clock: Clock, limits: ReadAheadLimits = defaultReadAhead) {
    this.#source = source;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** What is held now: for tests of the limit. */
  get heldLines(): number {
    return this.#lines;
  }

  /** Everything held at once, whenever there is something. Ends with the source, and the source with it. */
  async *read(signal: AbortSignal): AsyncGenerator<ReadAheadItem> {
    using stop = new ChildAbort(signal);
    const wake = () => this.#onMore();
    stop.signal.addEventListener('abort', wake, { once: true });
    const filling = this.#fill(stop.signal);
    try {
      for (;;) {
        signal.throwIfAborted();
        if (this.#lost > 0) yield { lost: this.#takeLost() };
        const batch = this.#take();
        if (batch !== undefined) {
          yield { batch };
        } else if (this.#end !== undefined) {
          if ('error' in this.#end) throw this.#end.error;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#onMore = resolve;
          });
        }
      }
    } finally {
      stop.abort(new AgentError('UNAVAILABLE', 'Cannot follow the logs: nobody reads them any more'));
      this.#onRoom();
      await filling;
    }
  }

  #takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  #take(): LogBatch | undefined {
    const [first, second] = this.#held;
    const batch = second === undefined ? first?.batch : Buffer.concat(this.#held.map((held) => held.batch));
    this.#held = [];
    this.#lines = 0;
    this.#bytes = 0;
    this.#onRoom();
    return batch;
  }

  /** Never rejects: what ended the source is told to the reader. */
  async #fill(signal: AbortSignal): Promise<void> {
    try {
      let askedMs = this.#clock.monotonicMs();
      for await (const lines of this.#source.open(signal)) {
        if (signal.aborted) break;
        if (this.#clock.monotonicMs() - askedMs >= IDLE_MS) this.#isLive = true;
        await this.#put(lines, signal);
        askedMs = this.#clock.monotonicMs();
      }
      this.#end = {};
    } catch (error) {
      this.#end = { error };
    }
    this.#onMore();
  }

  async #put(lines: LogLines, signal: AbortSignal): Promise<void> {
    const ageMs = () => this.#clock.wallTime().getTime() - timeOf(lines.at(-1));
    this.#isLive ||= ageMs() < FRESH_MS;
    while (this.#isFull && !signal.aborted) {
      const leftMs = this.#isLive ? this.#limits.lagMs - ageMs() : Infinity;
      if (leftMs > 0) await this.#room(leftMs);
      else this.#leaveOutOldest();
    }
    const held = { batch: this.#source.encode(lines), lines: lines.length };
    this.#held.push(held);
    this.#count(held, 1);
    this.#onMore();
  }

  #leaveOutOldest(): void {
    const oldest = this.#held.shift();
    if (oldest === undefined) return;
    this.#count(oldest, -1);
    this.#lost += oldest.lines;
  }

  get #isFull(): boolean {
    return this.#lines >= this.#limits.lines || this.#bytes >= this.#limits.bytes;
  }

  #count({ batch, lines }: Held, sign: 1 | -1): void {
    this.#lines += sign * lines;
    this.#bytes += sign * batch.length;
  }

  /** Until something was taken, or for so long. */
  async #room(limitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = Number.isFinite(limitMs) ? this.#clock.after(limitMs, resolve) : () => {};
      this.#onRoom = () => {
        cancel();
        resolve();
      };
    });
  }
}

function timeOf(line: LogLine | undefined): number {
  return line === undefined || line.at === '' ? 0 : Temporal.Instant.from(line.at).epochMilliseconds;
}
