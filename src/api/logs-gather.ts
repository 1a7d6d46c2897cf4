import type { Clock } from '../loop/clock.ts';
import type { LogBatch } from './logs-text.ts';

/** What comes this shortly after what was given before is gathered. */
const GATHER_MS = 2;
/** So much at most; then whoever makes it waits. */
const GATHER_BYTES = 64 * 1024;

/**
 * Batches as they come: at once where nothing came just before, those that follow as few large ones, since a large one costs whoever
 * passes it on no more than a single line. A signal that ends the source has to be aborted before this is left.
 */
export async function* gatherBatches(
  source: AsyncIterable<LogBatch>,
  clock: Pick<Clock, 'after' | 'monotonicMs'>,
): AsyncGenerator<LogBatch> {
  const gathered = new Gathered();
  const filling = gathered.fill(source);
  try {
    for (;;) {
      await gathered.some();
      const batch = gathered.take();
      if (batch === undefined) return;
      const untilMs = clock.monotonicMs() + GATHER_MS;
      yield batch;
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs > 0) await gathered.enough(clock, leftMs);
    }
  } finally {
    gathered.close();
    await filling;
  }
}

class Gathered {
  #batches: LogBatch[] = [];
  #bytes = 0;
  #end: { readonly error?: unknown } | undefined;
  #isClosed = false;
  #onChange = () => {};
  #onRoom = () => {};

  /** Never rejects: whoever takes what was gathered is told what ended it. */
  async fill(source: AsyncIterable<LogBatch>): Promise<void> {
    try {
      for await (const batch of source) {
        this.#batches.push(batch);
        this.#bytes += batch.length;
        this.#onChange();
        while (this.#bytes >= GATHER_BYTES && !this.#isClosed) await this.#room();
        if (this.#isClosed) break;
      }
      this.#end = {};
    } catch (error) {
      this.#end = { error };
    }
    this.#onChange();
  }

  /** Resolves once there is something, or there will be nothing more. */
  async some(): Promise<void> {
    await this.#until(() => this.#bytes > 0);
  }

  /** Resolves once there is as much as goes together, the time is over, or there will be nothing more. */
  async enough(clock: Pick<Clock, 'after'>, limitMs: number): Promise<void> {
    let isOver = false;
    const cancel = clock.after(limitMs, () => {
      isOver = true;
      this.#onChange();
    });
    await this.#until(() => isOver || this.#bytes >= GATHER_BYTES);
    cancel();
  }

  /** `undefined` at the end; or the error that it was. */
  take(): LogBatch | undefined {
    const [first, second] = this.#batches;
    if (first === undefined) {
      if (this.#end !== undefined && 'error' in this.#end) throw this.#end.error;
      return undefined;
    }
    const batch = second === undefined ? first : Buffer.concat(this.#batches, this.#bytes);
    this.#batches = [];
    this.#bytes = 0;
    this.#onRoom();
    return batch;
  }

  close(): void {
    this.#isClosed = true;
    this.#onRoom();
  }

  async #room(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onRoom = resolve;
    });
  }

  async #until(isSo: () => boolean): Promise<void> {
    if (isSo() || this.#end !== undefined) return;
    await new Promise<void>((resolve) => {
      this.#onChange = () => {
        if (!isSo() && this.#end === undefined) return;
        this.#onChange = () => {};
        resolve();
      };
    });
  }
}
