import { errorCodeOf } from '../domain/errors.ts';
import { displayName } from '../domain/names.ts';
import { backoffMs } from '../loop/backoff.ts';
import { Changes } from '../loop/changes.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { Clock } from '../loop/clock.ts';
import type { LogOptions } from '../runtime/port.ts';
import { mergeByTime } from './logs-merge.ts';
import { ResumePoint } from './logs-resume.ts';
import type { LogPlace } from './logs-source.ts';
import { byTime, encodeNotice, joinLines, type LogBatch, noticeOf, splitBatch } from './logs-text.ts';

/** How long followed lines are gathered to be put in order: those of several instances come on different ways. */
const GATHER_MS = 100;
/** What is gathered at most; then who reads them waits. */
const GATHER_BYTES = 1024 * 1024;
/** A copy that has left is read on for so long: its last lines may be under way. */
const LEAVE_MS = 2_000;
const retry = { firstMs: 500, maxMs: 10_000, jitter: 0 };
/** A copy that came while others were followed is read from that long before: clocks of nodes differ. */
const BEFORE_MS = 10_000;

/** What a follower needs. */
export interface FollowParts {
  readonly clock: Clock;
  readonly open: (place: LogPlace, options: LogOptions, signal: AbortSignal) => AsyncIterable<LogBatch>;
  /** Calls `sync` with the copies that there are, now and after each change, until the signal aborts. */
  readonly watch: (sync: (places: readonly LogPlace[] | 'gone') => void, signal: AbortSignal) => Promise<void>;
}

interface Followed {
  readonly place: LogPlace;
  readonly resume: ResumePoint;
  readonly options: LogOptions;
  failures: number;
  stop?: ChildAbort | undefined;
  cancelLeave?: (() => void) | undefined;
}

/**
 * The logs of some copies as one, for as long as they are followed: by time, from wherever the copies are, through moves, restarts
 * and nodes that can't be reached for a while. Holds a bounded number of lines.
 */
export class LogFollow {
  readonly #parts: FollowParts;
  readonly #options: LogOptions;
  readonly #followed = new Map<string, Followed>();
  readonly #running = new Set<Promise<void>>();
  readonly #changes = new Changes();
  #gathered: LogBatch[] = [];
  #gatheredBytes = 0;
  #isGone = false;
  #failed: { readonly error: unknown } | undefined;
  #beganMs = 0;

  constructor(parts: FollowParts, options: LogOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** Rejects where the only log asked for can't be read, now or ever. Ends once there is nothing left to follow. */
  async *read(places: readonly LogPlace[], signal: AbortSignal): AsyncGenerator<LogBatch> {
    const { clock, watch } = this.#parts;
    this.#beganMs = clock.wallTime().getTime();
    for (const place of places) this.#enter(place, this.#options);
    using stop = new ChildAbort(signal);
    try {
      if (places.length > 1) yield* mergeByTime(places.map((place) => this.#history(place, stop.signal)));
      for (const followed of this.#followed.values()) this.#begin(followed, stop.signal);
      this.#run(watch((now) => this.#sync(now, stop.signal), stop.signal));
      yield* this.#gather(stop.signal);
    } finally {
      for (const { cancelLeave } of this.#followed.values()) cancelLeave?.();
      stop.abort();
      await Promise.all(this.#running);
    }
  }

  async *#gather(signal: AbortSignal): AsyncGenerator<LogBatch> {
    const isWorthIt = () => this.#gathered.length > 0 || this.#isGone || this.#failed !== undefined;
    for (;;) {
      await this.#changes.until(isWorthIt, signal);
      signal.throwIfAborted();
      if (this.#followed.size > 1) await this.#parts.clock.sleep(GATHER_MS, signal);
      const batch = this.#take();
      if (batch !== undefined) yield batch;
      else if (this.#failed !== undefined) throw this.#failed.error;
      else if (this.#isGone && this.#followed.size === 0) {
        yield encodeNotice({ at: this.#now(), kind: 'notice', text: 'nothing is left to follow' });
        return;
      } else await this.#changes.until(() => this.#gathered.length > 0 || this.#followed.size === 0, signal);
    }
  }

  /** What was gathered: in order of time where there are several; what is of one copy goes on as it came. */
  #take(): LogBatch | undefined {
    const [first, second] = this.#gathered;
    const batch = second === undefined ? first : Buffer.concat(this.#gathered, this.#gatheredBytes);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#changes.tell();
    return batch === undefined || this.#followed.size <= 1 ? batch : joinLines(splitBatch(batch).sort(byTime));
  }

  /** Follows what has come, and leaves what has gone. */
  #sync(now: readonly LogPlace[] | 'gone', signal: AbortSignal): void {
    const places = now === 'gone' ? [] : now;
    const wanted = new Set(places.map(nameOf));
    for (const place of places) {
      const known = this.#followed.get(nameOf(place));
      known?.cancelLeave?.();
      if (known !== undefined) known.cancelLeave = undefined;
      else this.#join(place, signal);
    }
    for (const [name, followed] of this.#followed) if (!wanted.has(name)) this.#leave(name, followed);
    if (now === 'gone') this.#isGone = true;
    this.#changes.tell();
  }

  #join(place: LogPlace, signal: AbortSignal): void {
    const from = Temporal.Instant.fromEpochMilliseconds(this.#beganMs - BEFORE_MS).toString();
    const followed = this.#enter(place, { follow: true, since: from });
    const instance = displayName(place.key);
    const text = `${instance} is on ${place.hostname} now`;
    this.#add(encodeNotice({ at: this.#now(), kind: 'notice', text, instance, node: place.hostname }));
    this.#begin(followed, signal);
  }

  #leave(name: string, followed: Followed): void {
    followed.cancelLeave ??= this.#parts.clock.after(LEAVE_MS, () => {
      followed.stop?.abort();
      this.#followed.delete(name);
      this.#changes.tell();
    });
  }

  #enter(place: LogPlace, options: LogOptions): Followed {
    const followed: Followed = { place, options, resume: new ResumePoint(), failures: 0 };
    this.#followed.set(nameOf(place), followed);
    return followed;
  }

  /** What was written until now; what can't be read is said, and tried again while it's followed. */
  async *#history(place: LogPlace, signal: AbortSignal): AsyncGenerator<LogBatch> {
    const followed = this.#followed.get(nameOf(place)) ?? this.#enter(place, this.#options);
    try {
      const options = { ...this.#options, follow: false };
      for await (const batch of this.#parts.open(place, options, signal)) yield followed.resume.take(batch);
    } catch (error) {
      signal.throwIfAborted();
      if (errorCodeOf(error) === 'NOT_FOUND') return; // nothing there yet
      followed.failures = 1;
      yield this.#problem(error, place);
    }
  }

  #begin(followed: Followed, parent: AbortSignal): void {
    this.#run(
      (async () => {
        using stop = new ChildAbort(parent);
        followed.stop = stop;
        await this.#follow(followed, stop.signal);
      })(),
    );
  }

  #run(work: Promise<void>): void {
    const onFailure = (error: unknown) => {
      this.#failed ??= { error };
      this.#changes.tell();
    };
    const running: Promise<void> = work.catch(onFailure).then(() => {
      this.#running.delete(running);
    });
    this.#running.add(running);
  }

  /** One copy, again and again: after a broken connection, an agent's restart, or a container that was made anew. */
  async #follow(followed: Followed, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const { place, resume } = followed;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        for await (const batch of this.#parts.open(place, resume.options(followed.options), signal)) {
          attempt = 0;
          followed.failures = 0;
          await this.#put(resume.take(batch), signal);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (this.#isHopeless(error, followed)) return;
      }
      await clock.sleep(backoffMs(Math.max(1, attempt), { ...retry, random: () => 0 }), signal);
    }
  }

  /** Says what is in the way, once until it's over; true where trying again can't help. */
  #isHopeless(error: unknown, followed: Followed): boolean {
    const code = errorCodeOf(error);
    if (code === 'NOT_FOUND') return false; // ordered there, and not made yet
    const isHopeless = code !== 'UNAVAILABLE' && code !== 'INTERNAL';
    if (isHopeless && this.#followed.size === 1) throw error;
    followed.failures += 1;
    if (followed.failures === 1) this.#add(this.#problem(error, followed.place));
    return isHopeless;
  }

  #problem(error: unknown, { key, hostname }: LogPlace): LogBatch {
    return noticeOf(error, this.#now(), { instance: displayName(key), node: hostname });
  }

  async #put(batch: LogBatch, signal: AbortSignal): Promise<void> {
    await this.#changes.until(() => this.#gatheredBytes < GATHER_BYTES, signal);
    this.#add(batch);
  }

  #add(batch: LogBatch): void {
    if (batch.length === 0) return;
    this.#gathered.push(batch);
    this.#gatheredBytes += batch.length;
    this.#changes.tell();
  }

  #now(): string {
    return this.#parts.clock.wallTime().toISOString();
  }
}

function nameOf({ key, node }: LogPlace): string {
  return `${key}@${node}`;
}
