/** Wakes whoever waits for something to become true, each time something has changed. */
export class Changes {
  readonly #waiters = new Set<() => void>();

  /** Something has changed: those who wait look again. */
  tell(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }

  /** Resolves once a change has made it true, or it is so already, or the signal aborts. Leaves nothing behind. */
  async until(isSo: () => boolean, signal: AbortSignal): Promise<void> {
    while (!isSo() && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          this.#waiters.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.#waiters.add(done);
        signal.addEventListener('abort', done, { once: true });
      });
    }
  }
}
