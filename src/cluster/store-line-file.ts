import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { decodeKnownStores, encodeKnownStores, type KnownStore } from './store-line.ts';

/** Where it's kept: files of this machine, as the host has them. */
export interface LineFiles {
  read(name: string): Promise<string | undefined>;
  write(name: string, text: string): Promise<void>;
  setAside(name: string, problem: string): Promise<void>;
}

interface Parts {
  readonly files: LineFiles;
  /** The cluster's range in the store. */
  readonly root: string;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly log: Log;
}

const FILE = 'store-line';
/** A line that moves is written no more often than this. */
const SAVE_INTERVAL_MS = 30_000;

/** What is known of a cluster's store, and on this machine's disk. A disk that doesn't work keeps nobody from going on; it's told once. */
export class StoreLineFile {
  readonly #parts: Parts;
  /** Of all clusters that this machine was in. */
  #stores = new Map<string, KnownStore>();
  #isLoaded = false;
  #savedAtMs = Number.NEGATIVE_INFINITY;
  #saved = '';
  #cannotSave = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Undefined before anything is. */
  get known(): KnownStore | undefined {
    return this.#stores.get(this.#parts.root);
  }

  /** The latest is the last of the map. */
  know(known: KnownStore): void {
    const { root } = this.#parts;
    this.#stores.delete(root);
    this.#stores.set(root, known);
  }

  /** What moves is to be written again. */
  get isDue(): boolean {
    return this.#parts.clock.monotonicMs() - this.#savedAtMs >= SAVE_INTERVAL_MS;
  }

  /** Reads what an earlier process knew, once. A disk that doesn't work, or a file that is none, leaves nothing to compare with. */
  async load(): Promise<void> {
    if (this.#isLoaded) return;
    const { files, log } = this.#parts;
    try {
      const text = await files.read(FILE);
      const stores = text === undefined ? undefined : decodeKnownStores(text);
      if (stores !== undefined) this.#stores = new Map(stores);
      else if (text !== undefined) await files.setAside(FILE, 'it holds no line of a store');
    } catch (err) {
      log.error({ err }, 'store line of the last run cannot be read: a restored store may not be noticed');
    }
    this.#isLoaded = true;
  }

  /** Writes it down, where it has changed since it was read. Never rejects. */
  async save(): Promise<void> {
    if (!this.#isLoaded) return;
    const { files, clock, log } = this.#parts;
    const text = encodeKnownStores(this.#stores);
    if (text === this.#saved) return;
    this.#savedAtMs = clock.monotonicMs();
    try {
      await files.write(FILE, text);
      this.#saved = text;
      this.#cannotSave = false;
    } catch (err) {
      if (!this.#cannotSave) log.error({ err }, 'store line cannot be written');
      this.#cannotSave = true;
    }
  }
}
