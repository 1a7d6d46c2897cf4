import type { LeaderKv } from '../cluster/commit-as-leader.ts';
import type { Leadership } from '../cluster/election.ts';
import type { Layout } from '../cluster/layout.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { LeaderTerm } from './leader-term.ts';

export interface LeaderOptions {
  readonly kv: LeaderKv;
  readonly layout: Layout;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly ttlMs: number;
}

/** Leads the cluster: one term after another, with nothing kept between them. */
export class Leader {
  readonly #options: LeaderOptions;

  constructor(options: LeaderOptions) {
    this.#options = options;
  }

  /**
   * Leads for one term, until the signal aborts. Rejects with `FENCED` as soon as a write shows that the term has ended, and with
   * `UNAVAILABLE` when no pass has succeeded for three TTLs: then another should try.
   */
  async run(leadership: Leadership, signal: AbortSignal): Promise<void> {
    await new LeaderTerm(this.#options, leadership).run(signal);
  }
}
