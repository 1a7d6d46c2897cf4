import type { Clock } from './clock.ts';
import type { Log, LogMethod } from './log.ts';

/** How often one line may be said. */
export interface LogRate {
  /** So many at once, of one message about one thing … */
  readonly burst: number;
  /** … then one each so often. */
  readonly intervalMs: number;
  /** The same for one message about whatever, so that many things don't make up for each other. */
  readonly messageBurst: number;
  readonly messageIntervalMs: number;
}

export const defaultLogRate: LogRate = {
  burst: 10,
  intervalMs: 30_000,
  messageBurst: 1_000,
  messageIntervalMs: 1_000,
};

/** What a line is about: the first of these that it has. */
const mainKeys = ['instance', 'workload', 'key', 'prefix', 'file', 'runtime', 'endpoint', 'client', 'node'] as const;
/** Of what lines are about, so many are remembered; the part of a text that tells it apart. */
const REMEMBERED = 2_000;
const TOLD_APART_BY = 200;

type Level = keyof Log;
type Fields = Readonly<Record<string, unknown>>;

/** Allowances of one message about one thing, and what was left out since it was last said. */
interface Subject {
  readonly bucket: Bucket;
  leftOut: number;
  /** The latest that was left out: said when there's an allowance again, unless another comes first. */
  latest: Fields | undefined;
  cancel: (() => void) | undefined;
}

/** Allowances of one message about whatever. */
interface MessageState {
  readonly bucket: Bucket;
  leftOut: number;
}

/** Allowances that are used up and come back one by one. */
class Bucket {
  readonly #burst: number;
  readonly #intervalMs: number;
  #left: number;
  #asOfMs: number;

  constructor(burst: number, intervalMs: number, nowMs: number) {
    this.#burst = burst;
    this.#intervalMs = intervalMs;
    this.#left = burst;
    this.#asOfMs = nowMs;
  }

  /** How long until there's one; 0: now. */
  waitMs(nowMs: number): number {
    const more = Math.floor((nowMs - this.#asOfMs) / this.#intervalMs);
    this.#left = Math.min(this.#burst, this.#left + more);
    this.#asOfMs = this.#left === this.#burst ? nowMs : this.#asOfMs + more * this.#intervalMs;
    return this.#left > 0 ? 0 : this.#asOfMs + this.#intervalMs - nowMs;
  }

  take(): void {
    this.#left -= 1;
  }

  isFull(nowMs: number): boolean {
    return this.waitMs(nowMs) === 0 && this.#left === this.#burst;
  }
}

/**
 * A log in which nothing can be said without end: of one message about one thing a few lines at once, then one now and then, with
 * the number of those that were left out as `leftOut`. The latest of what was left out is said too, later.
 */
export class RateLimitedLog implements Log {
  readonly #inner: Log;
  readonly #clock: Clock;
  readonly #rate: LogRate;
  readonly #subjects = new Map<string, Subject>();
  readonly #messages = new Map<string, MessageState>();
  readonly debug = this.#makeMethod('debug');
  readonly info = this.#makeMethod('info');
  readonly warn = this.#makeMethod('warn');
  readonly error = this.#makeMethod('error');

  constructor(inner: Log, clock: Clock, rate: LogRate = defaultLogRate) {
    this.#inner = inner;
    this.#clock = clock;
    this.#rate = rate;
  }

  #makeMethod(level: Level): LogMethod {
    return (first: Fields | string, second?: string) => {
      if (typeof first === 'string') this.#say(level, {}, first);
      else this.#say(level, first, second ?? '');
    };
  }

  #say(level: Level, fields: Fields, message: string): void {
    const nowMs = this.#clock.monotonicMs();
    const name = `${level} ${message}`;
    const all = this.#messageOf(name, nowMs);
    if (all.bucket.waitMs(nowMs) > 0) {
      all.leftOut += 1;
      return;
    }
    const subject = this.#subjectOf(`${name} ${mainKeyOf(fields)}`, nowMs);
    const waitMs = subject.bucket.waitMs(nowMs);
    if (waitMs === 0) {
      this.#pass(level, fields, message, all, subject);
      return;
    }
    subject.leftOut += 1;
    subject.latest = fields;
    subject.cancel ??= this.#clock.after(waitMs, () => {
      subject.cancel = undefined;
      if (subject.latest === undefined) return;
      subject.leftOut -= 1; // it's said itself now
      this.#say(level, subject.latest, message);
    });
  }

  #pass(level: Level, fields: Fields, message: string, all: MessageState, subject: Subject): void {
    const leftOut = subject.leftOut + all.leftOut;
    all.bucket.take();
    all.leftOut = 0;
    subject.bucket.take();
    subject.cancel?.();
    subject.cancel = undefined;
    subject.latest = undefined;
    subject.leftOut = 0;
    this.#inner[level](leftOut > 0 ? { ...fields, leftOut } : fields, message);
  }

  #subjectOf(name: string, nowMs: number): Subject {
    let subject = this.#subjects.get(name);
    if (subject === undefined) {
      if (this.#subjects.size >= REMEMBERED) this.#forgetSome(nowMs);
      const bucket = new Bucket(this.#rate.burst, this.#rate.intervalMs, nowMs);
      subject = { bucket, leftOut: 0, latest: undefined, cancel: undefined };
      this.#subjects.set(name, subject);
    }
    return subject;
  }

  #messageOf(name: string, nowMs: number): MessageState {
    let state = this.#messages.get(name);
    if (state === undefined) {
      const bucket = new Bucket(this.#rate.messageBurst, this.#rate.messageIntervalMs, nowMs);
      state = { bucket, leftOut: 0 };
      this.#messages.set(name, state); // messages are constant: there are as many as the program has
    }
    return state;
  }

  /** Those that are as new, and of the others the older half: they are held by their message's allowance alone. */
  #forgetSome(nowMs: number): void {
    for (const [name, { bucket, latest }] of this.#subjects)
      if (latest === undefined && bucket.isFull(nowMs)) this.#subjects.delete(name);
    for (const [name, { cancel }] of this.#subjects) {
      if (this.#subjects.size <= REMEMBERED / 2) return;
      cancel?.();
      this.#subjects.delete(name);
    }
  }
}

function mainKeyOf(fields: Fields): string {
  for (const key of mainKeys) {
    const value = fields[key];
    if (typeof value === 'string') return `${key} ${value.slice(0, TOLD_APART_BY)}`;
  }
  return '';
}
