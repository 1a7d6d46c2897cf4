/** Tells one waiter that something changed. Nudges before a wait are remembered as one. */
export class Nudge {
  #pending = false;
  #wake: (() => void) | undefined;

  nudge(): void {
    this.#pending = true;
    this.#wake?.();
  }

  /** Resolves once nudged, or when the signal aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#pending && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          signal.removeEventListener('abort', done);
          this.#wake = undefined;
          resolve();
        };
        this.#wake = done;
        signal.addEventListener('abort', done, { once: true });
      });
    }
    this.#pending = false;
  }
}
