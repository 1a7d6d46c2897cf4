import type { Clock } from './clock.ts';

export interface InFlightOptions {
  readonly clock: Clock;
  /** How many actions may begin side by side. */
  readonly parallelism: number;
  /** An action that takes longer gives its place to the next one, so that one that hangs holds up no other. */
  readonly slowAfterMs: number;
  /** After each end, whatever its outcome: undefined for success. */
  readonly onEnd: (key: string, failure: ActionFailure | undefined) => void;
}

/** How an action failed; what was asked to end is no failure of its own. */
export interface ActionFailure {
  readonly error: unknown;
  readonly wasAborted: boolean;
}

interface Entry {
  readonly controller: AbortController;
  readonly work: (signal: AbortSignal) => Promise<void>;
  /** Its run, once it has its place. Never rejects. */
  running: Promise<void> | undefined;
}

/** Actions that have begun and not ended, at most one per key; bounded in how many begin at once. */
export class InFlight {
  readonly #options: InFlightOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #queue: string[] = [];
  #placesTaken = 0;

  constructor(options: InFlightOptions) {
    this.#options = options;
  }

  /** True from {@link begin} until the action has ended, also while it waits for its place. */
  has(key: string): boolean {
    return this.#entries.has(key);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Begins `work` as soon as there's a place. Does nothing while the key is busy. */
  begin(key: string, work: (signal: AbortSignal) => Promise<void>): void {
    if (this.#entries.has(key)) return;
    this.#entries.set(key, { controller: new AbortController(), work, running: undefined });
    this.#queue.push(key);
    this.#fill();
  }

  /** As {@link begin}, without waiting for a place: what must end by a deadline must not stand in line for it. */
  beginAtOnce(key: string, work: (signal: AbortSignal) => Promise<void>): void {
    if (this.#entries.has(key)) return;
    const entry: Entry = { controller: new AbortController(), work, running: undefined };
    this.#entries.set(key, entry);
    entry.running = this.#run(key, entry);
  }

  /** Asks the key's action to end; it stays busy until it has. */
  abort(key: string, reason: unknown): void {
    this.#entries.get(key)?.controller.abort(reason);
  }

  abortAll(reason: unknown): void {
    for (const entry of this.#entries.values()) entry.controller.abort(reason);
  }

  /** Resolves when every action that has begun has ended; what still waits for its place is aborted by then or never begins. */
  async drain(): Promise<void> {
    this.#queue.length = 0;
    await Promise.all([...this.#entries.values()].flatMap(({ running }) => running ?? []));
  }

  #fill(): void {
    while (this.#placesTaken < this.#options.parallelism) {
      const key = this.#queue.shift();
      if (key === undefined) return;
      const entry = this.#entries.get(key);
      if (entry !== undefined) entry.running = this.#run(key, entry);
    }
  }

  async #run(key: string, entry: Entry): Promise<void> {
    this.#placesTaken += 1;
    let holdsPlace = true;
    const giveUpPlace = () => {
      if (!holdsPlace) return;
      holdsPlace = false;
      this.#placesTaken -= 1;
      this.#fill();
    };
    const cancelTimer = this.#options.clock.after(this.#options.slowAfterMs, giveUpPlace);
    let failure: ActionFailure | undefined;
    try {
      entry.controller.signal.throwIfAborted();
      await entry.work(entry.controller.signal);
    } catch (error) {
      failure = { error, wasAborted: entry.controller.signal.aborted };
    }
    cancelTimer();
    this.#entries.delete(key);
    this.#options.onEnd(key, failure);
    giveUpPlace();
  }
}
