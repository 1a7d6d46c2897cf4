import { Lab } from '../../test/lab/lab.ts';

const nodes = 3;
const ttlMs = 10_000;

/** One lab for all cases, opened when the first asks for it. */
export class SharedLab {
  readonly #progress: (line: string) => void;
  #opening: Promise<Lab> | undefined;

  constructor(progress: (line: string) => void) {
    this.#progress = progress;
  }

  async open(): Promise<Lab> {
    this.#opening ??= Lab.open({ nodes, ttlMs, name: 'bench', progress: this.#progress });
    return this.#opening;
  }

  /** Nothing of the last case is left for the next. */
  async reset(): Promise<void> {
    await (await this.#opening)?.reset();
  }

  /** Also when opening failed, or when it never was opened. */
  async close(): Promise<void> {
    const lab = await this.#opening?.catch(() => undefined);
    await lab?.close();
  }
}
