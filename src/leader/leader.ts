import type { Leadership } from '../cluster/election.ts';
import type { LeaderFigures } from './cluster-figures.ts';
import { type LeaderOptions, LeaderTerm } from './leader-term.ts';

/** Leads the cluster: one term after another, with nothing kept between them. */
export class Leader {
  readonly #options: LeaderOptions;
  #term: LeaderTerm | undefined;

  constructor(options: LeaderOptions) {
    this.#options = options;
  }

  /** Undefined while it doesn't lead. */
  get figures(): LeaderFigures | undefined {
    return this.#term?.figures;
  }

  /**
   * Leads for one term, until the signal aborts. Rejects with `FENCED` as soon as a write shows that the term has ended, and with
   * `UNAVAILABLE` when no pass has succeeded for three TTLs: then another should try.
   */
  async run(leadership: Leadership, signal: AbortSignal): Promise<void> {
    this.#term = new LeaderTerm(this.#options, leadership);
    try {
      await this.#term.run(signal);
    } finally {
      this.#term = undefined;
    }
  }
}
