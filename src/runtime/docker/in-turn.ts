import { untilAborted } from './until-aborted.ts';

/**
 * Does what concerns one name in turn. Whoever aborts is let go at once, but a work that has begun keeps its turn until it has
 * really ended: so a stop that follows an aborted start sees all that the start did.
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
    return untilAborted(result, signal);
  }
}
