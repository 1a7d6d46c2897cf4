import type { Caller } from './caller.ts';

/** By the listener that a request came over. */
export type BodyBudgets = Readonly<Record<Caller['via'], BodyBudget>>;

/** What the bodies of requests may take together, and of that the most that one client's may. */
export interface BodyLimits {
  readonly allBytes: number;
  readonly clientBytes: number;
}

/** One request's part of it. */
export interface BodyRoom {
  /** False, with nothing taken, where so much more is too much. */
  take(bytes: number): boolean;
  /** Gives all back; more than once does nothing. */
  free(): void;
}

/** Counts what bodies hold in memory, from their first byte until their request is answered. Each listener has its own. */
export class BodyBudget {
  readonly limits: BodyLimits;
  readonly #byClient = new Map<string, number>();
  #bytes = 0;

  constructor(limits: BodyLimits) {
    this.limits = limits;
  }

  /** What is held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param client whoever has a part of its own */
  open(client: string): BodyRoom {
    let held = 0;
    const add = (bytes: number) => {
      held += bytes;
      this.#bytes += bytes;
      const ofClient = this.#of(client) + bytes;
      if (ofClient === 0) this.#byClient.delete(client);
      else this.#byClient.set(client, ofClient);
    };
    return {
      take: (bytes) => {
        const { allBytes, clientBytes } = this.limits;
        if (this.#bytes + bytes > allBytes || this.#of(client) + bytes > clientBytes) return false;
        add(bytes);
        return true;
      },
      free: () => add(-held),
    };
  }

  #of(client: string): number {
    return this.#byClient.get(client) ?? 0;
  }
}
