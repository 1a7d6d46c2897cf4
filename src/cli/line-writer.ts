import type { Context, Output } from './context.ts';

/** So much is gathered before it's written. */
const GATHER_CHARS = 32 * 1024;
/** And for no longer than this. */
const GATHER_MS = 2;

/** Writes many small texts as few large ones, and waits for a reader that is slower: what isn't taken isn't gathered. */
export class LineWriter {
  readonly #output: Output;
  readonly #clock: Context['clock'];
  #text = '';
  #cancel: (() => void) | undefined;

  constructor(output: Output, clock: Context['clock']) {
    this.#output = output;
    this.#clock = clock;
  }

  /** Resolves once there is room for more. */
  async write(text: string): Promise<void> {
    if (text === '') return;
    this.#text += text;
    if (this.#text.length >= GATHER_CHARS) await this.flush();
    else this.#cancel ??= this.#clock.after(GATHER_MS, () => this.#give());
  }

  async flush(): Promise<void> {
    this.#give();
    await this.#output.drained?.();
  }

  #give(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#text !== '') this.#output.write(this.#text);
    this.#text = '';
  }
}
