import { untilAborted } from './until-aborted.ts';

/**
 * Does what concerns one name in turn. Whoever aborts while it waits is let go at once; a work that has begun is waited for until it
 * has really ended: an aborted start isn't over, and its instance not stopped, while dockerd may still carry it out.
 */
export class InTurn {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs the work after all earlier ones of that name have settled; not at all when the signal has aborted by then. */
  async run<T>(name: string, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const before = this.#tails.get(name) ?? Promise.resolve();
    const result = before.then(() => {
      signal.throwIfAborted();
      return work();
    });
    const tail = result
      .then(
        () => {},
        () => {},
      )
      .then(() => {
        if (this.#tails.get(name) === tail) this.#tails.delete(name);
      });
    this.#tails.set(name, tail);
    await untilAborted(before, signal);
    return result;
  }
}
