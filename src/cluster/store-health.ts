import { type AgentError, errorCodeOf, errorText } from '../domain/errors.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';

/**
 * `unknown`: not asked yet. `unavailable`: no endpoint answered a whole call, or all answered with errors. `refusing`: it doesn't let
 * this user do something that it needs. `full`: out of space, it takes nothing new. `slow`: it answers, after a second or more.
 */
export type StoreFault = 'unavailable' | 'refusing' | 'full' | 'slow';

/** How the store has been of late, for people and programs. `in-doubt`: older than it was, or another one. */
export interface StoreHealth {
  readonly state: 'unknown' | 'good' | StoreFault | 'in-doubt';
  /** ISO 8601. */
  readonly since: string;
  /** The last failure, also one that is over. */
  readonly lastError?: string;
  /** One line: what that means. */
  readonly text: string;
}

/** An answer that takes longer is slow; so many in a row, and the store is. */
const SLOW_MS = 1_000;
const SLOW_ANSWERS = 3;
/** The same state is logged no more often than this. */
const SAY_AGAIN_MS = 60_000;

const texts: Readonly<Record<Exclude<StoreHealth['state'], 'in-doubt'>, string>> = {
  unknown: 'etcd has not been asked yet',
  good: 'etcd answers',
  unavailable: 'etcd does not answer: what runs, runs on',
  refusing: "etcd refuses what this node needs: check its certificate's user and that user's role",
  full: 'etcd is out of space (NOSPACE): leases are renewed, nothing changes until it is compacted, defragmented and its alarm disarmed',
  slow: 'etcd answers slowly',
};

/** What one call to the store tells of it. */
export interface CallKind {
  readonly method: string;
  /** It adds to the store: one that's full refuses it. */
  readonly adds: boolean;
  /** Its answer is small: that it takes long is the store's doing. */
  readonly isSmall: boolean;
}

/** Sums up from the ends of calls how the store is; says so once per change. */
export class StoreHealthMonitor {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onChange: () => void;
  readonly #refused = new Set<string>();
  readonly #saidAtMs = new Map<string, number>();
  #isUnavailable = false;
  #isFull = false;
  #slowAnswers = 0;
  #lastError: string | undefined;
  #state: Exclude<StoreHealth['state'], 'in-doubt'> = 'unknown';
  #since: string;

  constructor(clock: Clock, log: Log, onChange: () => void) {
    this.#clock = clock;
    this.#log = log;
    this.#onChange = onChange;
    this.#since = clock.wallTime().toISOString();
  }

  get health(): StoreHealth {
    const lastError = this.#lastError === undefined ? {} : { lastError: this.#lastError };
    return { state: this.#state, since: this.#since, ...lastError, text: texts[this.#state] };
  }

  /** A call was answered, be it with a failure that says nothing of the store. */
  answered({ method, adds, isSmall }: CallKind, tookMs: number): void {
    this.#isUnavailable = false;
    this.#refused.delete(method);
    if (adds) this.#isFull = false;
    if (tookMs < SLOW_MS) this.#slowAnswers = 0;
    else if (isSmall) this.#slowAnswers += 1;
    this.#sumUp();
  }

  /** A call failed. */
  failed(kind: CallKind, error: unknown, tookMs: number): void {
    const code = errorCodeOf(error);
    const isOurs = faultOf(code) === undefined;
    if (code !== 'NOT_FOUND' && code !== 'STALE') this.#lastError = errorText(error);
    if (code === 'STALE') this.#lastError = `${errorText(error)} (read anew)`;
    if (isOurs) {
      if (code !== 'INTERNAL') this.answered({ ...kind, adds: false }, tookMs);
      return;
    }
    this.#isUnavailable = code === 'UNAVAILABLE';
    if (code === 'FULL') this.#isFull = true;
    if (code === 'FORBIDDEN' || code === 'UNAUTHENTICATED') this.#refused.add(kind.method);
    this.#sumUp();
  }

  #sumUp(): void {
    const state = this.#isUnavailable
      ? 'unavailable'
      : this.#refused.size > 0
        ? 'refusing'
        : this.#isFull
          ? 'full'
          : this.#slowAnswers >= SLOW_ANSWERS
            ? 'slow'
            : 'good';
    if (state === this.#state) return;
    const was = this.#state;
    this.#state = state;
    this.#since = this.#clock.wallTime().toISOString();
    this.#say(was);
    this.#onChange();
  }

  #say(was: string): void {
    const nowMs = this.#clock.monotonicMs();
    const saidAtMs = this.#saidAtMs.get(this.#state) ?? Number.NEGATIVE_INFINITY;
    if ((was === 'unknown' && this.#state === 'good') || nowMs - saidAtMs < SAY_AGAIN_MS) return;
    this.#saidAtMs.set(this.#state, nowMs);
    const fields = { store: this.#state, was, ...(this.#state === 'good' ? {} : { reason: this.#lastError }) };
    if (this.#state === 'good') this.#log.info(fields, 'store is well again');
    else this.#log.warn(fields, 'store is not well');
  }
}

function faultOf(code: AgentError['code']): StoreFault | undefined {
  switch (code) {
    case 'UNAVAILABLE':
      return 'unavailable';
    case 'FULL':
      return 'full';
    case 'FORBIDDEN':
    case 'UNAUTHENTICATED':
      return 'refusing';
    default:
      return undefined;
  }
}
