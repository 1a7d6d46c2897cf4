import type { Clock } from '../loop/clock.ts';

/** So many clients are remembered; those that have asked nothing of late are forgotten first. */
const REMEMBERED = 1_000;

/** What a client has left, as of a moment. */
interface Allowance {
  left: number;
  asOfMs: number;
}

/** Requests a second for each client: a bucket of twice as many, refilled as time goes by. */
export class RequestRate {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #perSecond: number;
  readonly #byName = new Map<string, Allowance>();
  readonly #byConnection = new WeakMap<object, Allowance>();

  constructor(clock: Pick<Clock, 'monotonicMs'>, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /**
   * Takes one request's worth; 0 when there was that much, else how many seconds until there is.
   * @param client its name, or the connection where it has none
   * @param worth less for those that ask for many others
   */
  take(client: string | object, worth = 1): number {
    const allowance = this.#allowanceOf(client);
    const nowMs = this.#clock.monotonicMs();
    const gained = ((nowMs - allowance.asOfMs) / 1_000) * this.#perSecond;
    allowance.left = Math.min(2 * this.#perSecond, allowance.left + gained);
    allowance.asOfMs = nowMs;
    if (allowance.left < worth) return (worth - allowance.left) / this.#perSecond;
    allowance.left -= worth;
    return 0;
  }

  #allowanceOf(client: string | object): Allowance {
    const fresh = (): Allowance => ({ left: 2 * this.#perSecond, asOfMs: this.#clock.monotonicMs() });
    if (typeof client === 'object') {
      const known = this.#byConnection.get(client) ?? fresh();
      this.#byConnection.set(client, known);
      return known;
    }
    const known = this.#byName.get(client) ?? fresh();
    this.#byName.delete(client); // put last: the first one is whoever has been quiet for longest
    this.#byName.set(client, known);
    const [quietest] = this.#byName.keys();
    if (this.#byName.size > REMEMBERED && quietest !== undefined) this.#byName.delete(quietest);
    return known;
  }
}
