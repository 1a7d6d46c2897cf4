import { refuseTooMany } from './refusal.ts';

/** Has what costs much done one after the other. Whoever comes when enough wait already is refused with 429. */
export class Turns {
  readonly #most: number;
  readonly #what: string;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param most so many wait at once, with the one that is at work
   * @param what they are, for the message
   */
  constructor(most: number, what: string) {
    this.#most = most;
    this.#what = what;
  }

  /** Does it once all before are done; rejects instead where its signal has aborted by then. */
  async take<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#waiting >= this.#most) throw refuseTooMany(`at most ${this.#most} ${this.#what} at once`, 1);
    this.#waiting += 1;
    const mine = this.#last.then(async () => {
      signal.throwIfAborted();
      return work();
    });
    this.#last = mine.catch(() => {});
    return mine.finally(() => {
      this.#waiting -= 1;
    });
  }
}
