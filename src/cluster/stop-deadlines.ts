import type { LeaseSplit, Session } from '../etcd/session.ts';
import type { Clock } from '../loop/clock.ts';

/** Until when `stop` instances may run on this node, by the leases that were ours. All times are monotonic. */
export class StopDeadlines {
  readonly #clock: Clock;
  readonly #split: LeaseSplit;
  #session: Session | undefined;
  #mayStartAtMs = 0;
  /** Of a lease that outlives this process. */
  #handedOver = { fenceAtMs: Number.NEGATIVE_INFINITY, killAtMs: Number.NEGATIVE_INFINITY };

  constructor(clock: Clock, split: LeaseSplit) {
    this.#clock = clock;
    this.#split = split;
  }

  /**
   * Presence is bound to this session's lease from now on.
   * @param mayStartAtMs before this one may still run on the machine as it was before its reboot
   */
  joined(session: Session, mayStartAtMs: number): void {
    this.#session = session;
    this.#mayStartAtMs = mayStartAtMs;
  }

  /** Presence is bound to a lease that was asked for at `fromMs` and lasts so long without this process. */
  handedOver(fromMs: number, lifetimeMs: number, ttlMs: number): void {
    const endsMs = fromMs + lifetimeMs;
    const { fencePart, killPart } = this.#split;
    this.#handedOver = { fenceAtMs: endsMs - ttlMs * (1 - fencePart), killAtMs: endsMs - ttlMs * (1 - killPart) };
  }

  /** They may start: the deadline holds and no earlier boot can still run them. */
  get mayStart(): boolean {
    return this.#session?.holds === true && this.#clock.monotonicMs() >= this.#mayStartAtMs;
  }

  /** They must end: the fence time of a lease that was ours has come. One that the store dropped early is not it. */
  get isFenced(): boolean {
    if (this.#session === undefined) return false;
    return this.#clock.monotonicMs() >= Math.max(this.#session.fenceAtMs, this.#handedOver.fenceAtMs);
  }

  /** They must be dead, SIGKILL included; undefined until a lease was ours. */
  get killAtMs(): number | undefined {
    return this.#session && Math.max(this.#session.killAtMs, this.#handedOver.killAtMs);
  }
}
