/**
 * An abort of one's own that also follows a parent's, for as long as the scope lasts: `using stop = new ChildAbort(signal)`. Unlike
 * AbortSignal.any it leaves nothing behind on a parent that outlives it.
 */
export class ChildAbort implements Disposable {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal;
  readonly #onAbort: () => void;

  constructor(parent: AbortSignal) {
    this.#parent = parent;
    this.#onAbort = () => this.#controller.abort(parent.reason);
    if (parent.aborted) this.#onAbort();
    else parent.addEventListener('abort', this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#parent.removeEventListener('abort', this.#onAbort);
  }
}
