import { refuseTooMany } from './refusal.ts';

export interface TurnsOptions {
  /** So many are at work or wait. */
  readonly most: number;
  /** So many are at work. */
  readonly atOnce: number;
  /** What they are, for the message. */
  readonly what: string;
}

/** Has what costs much done a few at a time, in the order in which they came. Whoever comes when enough wait already is refused with 429. */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #waiting = new Set<() => void>();
  #working = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Does it once it's its turn; rejects instead once its signal aborts before. */
  async take<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { most, atOnce, what } = this.#options;
    if (this.#working + this.#waiting.size >= most) throw refuseTooMany(`at most ${most} ${what} at once`, 1);
    if (this.#working < atOnce) this.#working += 1;
    else await this.#wait(signal);
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      const [next] = this.#waiting;
      if (next === undefined) this.#working -= 1;
      else next(); // its turn is handed on
    }
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(begin);
        signal.removeEventListener('abort', onAbort);
      };
      const begin = () => {
        leave();
        resolve();
      };
      const onAbort = () => {
        leave();
        reject(signal.reason as Error);
      };
      this.#waiting.add(begin);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
