/** So often this process looks whether it has a turn. */
const tickMs = 50;

/** Notes for how long this process had no turn: what a busy machine adds to any time that is measured on it meanwhile. */
export class PauseWatch implements Disposable {
  #longestMs = 0;
  #tickedMs = performance.now();
  readonly #timer = setInterval(() => this.#tick(), tickMs);

  /** The longest one so far. */
  get longestMs(): number {
    this.#tick();
    return this.#longestMs;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const nowMs = performance.now();
    this.#longestMs = Math.max(this.#longestMs, nowMs - this.#tickedMs - tickMs);
    this.#tickedMs = nowMs;
  }
}
