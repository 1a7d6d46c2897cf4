import { errorText } from '../domain/errors.ts';
import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { LeaseDeadline } from './lease-deadline.ts';
import type { Kv, LeaseId, StoreIdentity } from './port.ts';

/**
 * `live`: renewed in time. `doubtful`: no renewal was answered in time, the store may be about to count us dead. `resumed`: the
 * same lease was renewed after that; it counts again only when the owner has confirmed it. `lost`: the store says it's gone.
 */
export type SessionState = 'live' | 'doubtful' | 'resumed' | 'lost';

export interface SessionOptions {
  readonly kv: Pick<Kv, 'grantLease' | 'renewLease'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Of a new lease. etcd counts in whole seconds and from 2 s on. */
  readonly ttlMs: number;
  /** Called at each change of state, on the session's own time: it must not throw. */
  readonly onChange: (state: SessionState) => void;
  /** Called each time the deadline has moved: cheap, often, and mostly without a change of state. */
  readonly onRenewed?: () => void;
  /** Called with each answered renewal, whatever it means: what the answer says of the store. */
  readonly onAnswer?: (store: StoreIdentity) => void;
  readonly split?: LeaseSplit;
  readonly random?: () => number;
}

/** Parts of the TTL, counted from when the last answered renewal was sent. */
export interface LeaseSplit {
  /** When the next renewal is due. */
  readonly renewPart: number;
  /** How long one endpoint has to answer a renewal. */
  readonly attemptPart: number;
  /** When the lease stops being relied on: what it stands for is asked to end. */
  readonly fencePart: number;
  /** When that must be dead; what is left of the TTL is the margin. */
  readonly killPart: number;
}

/** 10 seconds: renewed each 2.5, an attempt takes at most 2, relied on until 6, dead at 8. */
export const defaultLeaseSplit: LeaseSplit = { renewPart: 0.25, attemptPart: 0.2, fencePart: 0.6, killPart: 0.8 };

const retry = { firstMs: 200, maxMs: 1_000, jitter: 0.5 } as const;

/** Holds one lease: renews it, knows until when it may be relied on, and says when that changes. Never makes a second one. */
export class Session {
  readonly leaseId: LeaseId;
  /** As the store granted it. */
  readonly ttlMs: number;
  readonly deadline: LeaseDeadline;
  readonly #options: SessionOptions;
  readonly #split: LeaseSplit;
  #state: SessionState = 'live';
  #renewedSentAtMs: number;
  #disarm: () => void = () => {};

  private constructor(options: SessionOptions, lease: { id: LeaseId; ttlMs: number; sentAtMs: number }) {
    this.#options = options;
    this.#split = options.split ?? defaultLeaseSplit;
    this.leaseId = lease.id;
    this.ttlMs = lease.ttlMs;
    this.deadline = new LeaseDeadline(options.clock, lease.ttlMs * this.#split.fencePart);
    this.#renewedSentAtMs = lease.sentAtMs;
    this.deadline.restart(lease.sentAtMs);
  }

  /** On a new lease. {@link run} must follow: nothing is renewed before. */
  static async open(options: SessionOptions, signal: AbortSignal): Promise<Session> {
    const sentAtMs = options.clock.monotonicMs();
    const { id, ttlMs } = await options.kv.grantLease(options.ttlMs, signal);
    return new Session(options, { id, ttlMs, sentAtMs });
  }

  /** On a lease that exists, by one renewal; undefined where it's gone. The owner checks what is bound to it. */
  static async adopt(options: SessionOptions, id: LeaseId, signal: AbortSignal): Promise<Session | undefined> {
    const { ttlMs, sentAtMs } = await options.kv.renewLease(id, attemptMsOf(options, options.ttlMs), signal);
    return ttlMs > 0 ? new Session(options, { id, ttlMs, sentAtMs }) : undefined;
  }

  /** As of now, also where the timer that announces `doubtful` is late. */
  get state(): SessionState {
    return this.#state === 'live' && !this.deadline.holds ? 'doubtful' : this.#state;
  }

  /** Whether what this lease stands for may be relied on now. A leader asks before each thing it does. */
  get holds(): boolean {
    return this.state === 'live';
  }

  /** When the lease stops being relied on, on the monotonic clock. Being told `lost` doesn't shorten it. */
  get fenceAtMs(): number {
    return this.deadline.untilMs;
  }

  /** When what this lease stands for must be dead, on the monotonic clock: later than {@link fenceAtMs} by the fence's grace. */
  get killAtMs(): number {
    return this.deadline.untilMs + this.ttlMs * (this.#split.killPart - this.#split.fencePart);
  }

  /** Time left until {@link fenceAtMs}; 0 when it has passed. */
  remainingMs(): number {
    return Math.max(0, this.fenceAtMs - this.#options.clock.monotonicMs());
  }

  /** When the last answered renewal was sent: the store has kept the lease for at least a TTL from then. */
  get lastRenewedSentAtMs(): number {
    return this.#renewedSentAtMs;
  }

  /** Renews until the lease is lost or the signal aborts; while the store is away it goes on trying. Never rejects, revokes nothing. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random = Math.random } = this.#options;
    this.#arm();
    for (let failures = 0; this.#state !== 'lost' && !signal.aborted; ) {
      const dueAtMs = this.#renewedSentAtMs + this.ttlMs * this.#split.renewPart;
      const waitMs = failures === 0 ? dueAtMs - clock.monotonicMs() : backoffMs(failures, { ...retry, random });
      if (!(await clock.sleep(Math.max(0, waitMs), signal))) break;
      if (this.state === 'doubtful') this.#become('doubtful'); // the machine slept: the timer that says so is as late
      failures = (await this.#renew(failures, signal)) ? 0 : failures + 1;
    }
    this.#disarm();
  }

  /**
   * To be called in state `resumed`, after a linearizable read begun in that state has shown that what the lease stands for is
   * still ours. True: `live` again. False: the answer it rests on is too old by now; wait for the next `resumed`.
   */
  confirm(): boolean {
    if (this.#state !== 'resumed') return this.holds;
    this.deadline.restart(this.#renewedSentAtMs);
    const holds = this.deadline.holds;
    this.#become(holds ? 'live' : 'doubtful');
    if (holds) {
      this.#arm();
      this.#options.onRenewed?.();
    }
    return holds;
  }

  async #renew(failuresBefore: number, signal: AbortSignal): Promise<boolean> {
    const { kv, log } = this.#options;
    try {
      const attemptMs = attemptMsOf(this.#options, this.ttlMs);
      const { ttlMs, sentAtMs, store } = await kv.renewLease(this.leaseId, attemptMs, signal);
      this.#answered(ttlMs, sentAtMs);
      if (!signal.aborted) this.#options.onAnswer?.(store);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      const fields = { lease: this.leaseId, remainingMs: Math.round(this.remainingMs()), reason: errorText(error) };
      if (failuresBefore === 0) log.warn(fields, 'lease renewal failed');
      else log.debug(fields, 'lease renewal failed');
      return false;
    }
  }

  #answered(ttlMs: number, sentAtMs: number): void {
    if (ttlMs <= 0) {
      this.#become('lost');
      return;
    }
    this.#renewedSentAtMs = Math.max(this.#renewedSentAtMs, sentAtMs);
    if (this.#state === 'live' && this.deadline.renewed(sentAtMs)) {
      this.#arm();
      this.#options.onRenewed?.();
      return;
    }
    if (this.#state === 'live') this.#become('doubtful'); // the answer came before the late timer
    this.#become('resumed');
  }

  /** Announces `doubtful` when its time comes. */
  #arm(): void {
    this.#disarm();
    this.#disarm = this.#options.clock.after(this.remainingMs(), () => {
      if (this.#state !== 'live') return;
      if (this.deadline.holds) this.#arm();
      else this.#become('doubtful');
    });
  }

  #become(state: SessionState): void {
    if (this.#state === state) return;
    this.#state = state;
    if (state !== 'live') this.#disarm();
    const { log, onChange } = this.#options;
    if (state === 'live' || state === 'resumed') log.info({ lease: this.leaseId, state }, 'session changed');
    else log.warn({ lease: this.leaseId, state }, 'session changed');
    onChange(state);
  }
}

function attemptMsOf({ split = defaultLeaseSplit }: SessionOptions, ttlMs: number): number {
  return Math.round(ttlMs * split.attemptPart);
}
