import { untilAborted } from './until-aborted.ts';

/** Pulls one image, telling its progress. */
export type Pull = (image: string, onProgress: (detail: string) => void, signal: AbortSignal) => Promise<void>;

interface Flight {
  readonly done: Promise<void>;
  readonly abort: AbortController;
  readonly listeners: Set<(detail: string) => void>;
  detail: string | undefined;
}

/** One pull per image at a time, however many wait for it; it is given up when the last of them has gone. */
export class SharedPulls {
  readonly #pull: Pull;
  readonly #flights = new Map<string, Flight>();

  constructor(pull: Pull) {
    this.#pull = pull;
  }

  /** Joins the image's pull or begins it. Rejects with its failure, or at once with the signal's reason. */
  async pull(image: string, onProgress: (detail: string) => void, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const flight = this.#flights.get(image) ?? this.#begin(image);
    const listener = (detail: string) => onProgress(detail); // its own: one caller may join twice
    flight.listeners.add(listener);
    if (flight.detail !== undefined) onProgress(flight.detail);
    try {
      await untilAborted(flight.done, signal);
    } finally {
      flight.listeners.delete(listener);
      if (flight.listeners.size === 0) this.#end(image, flight);
    }
  }

  #begin(image: string): Flight {
    const abort = new AbortController();
    const listeners = new Set<(detail: string) => void>();
    const tell = (detail: string) => {
      flight.detail = detail;
      for (const listener of listeners) listener(detail);
    };
    const done = this.#pull(image, tell, abort.signal);
    done.catch(() => {}); // those who wait are told; nobody may be left
    const flight: Flight = { done, abort, listeners, detail: undefined };
    this.#flights.set(image, flight);
    return flight;
  }

  #end(image: string, flight: Flight): void {
    flight.abort.abort(new Error(`nobody waits for image "${image}" any more`));
    if (this.#flights.get(image) === flight) this.#flights.delete(image);
  }
}
