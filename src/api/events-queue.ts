import { type EventSink, lostEvent } from '../cluster/events-follow.ts';
import type { ClusterEvent } from '../domain/event.ts';
import type { Clock } from '../loop/clock.ts';
import { Nudge } from './nudge.ts';

/** What waits for a follower: more than any that reads needs, and little for one that doesn't. */
const LIMIT_CHARS = 256 * 1024;

/**
 * Events between the store and one follower, as text. What is new and finds no room is counted instead, and told as lost once the
 * follower has read what is there; history waits in the store.
 */
export class EventQueue implements EventSink {
  readonly #clock: Pick<Clock, 'wallTime'>;
  readonly #format: (event: ClusterEvent) => string | undefined;
  readonly #limitChars: number;
  readonly #filled = new Nudge();
  readonly #emptied = new Nudge();
  #texts: string[] = [];
  #chars = 0;
  #lost: { count: number; readonly after: number; until: number } | undefined;
  #lastRevision = 0;
  #ended: { readonly failure: { readonly error: unknown } | undefined } | undefined;

  /** @param format undefined: the follower doesn't want it */
  constructor(
    clock: Pick<Clock, 'wallTime'>,
    format: (event: ClusterEvent) => string | undefined,
    limitChars = LIMIT_CHARS,
  ) {
    this.#clock = clock;
    this.#format = format;
    this.#limitChars = limitChars;
  }

  /** See EventSink. */
  take(events: readonly ClusterEvent[], isHistory: boolean): boolean {
    for (const event of events) {
      const text = this.#format(event);
      if (text === undefined) continue;
      if (!isHistory && (this.#lost !== undefined || this.#chars + text.length > this.#limitChars)) {
        this.#lost ??= { count: 0, after: this.#lastRevision || event.revision - 1, until: event.revision };
        this.#lost.count += 1;
        this.#lost.until = event.revision;
        continue;
      }
      this.#texts.push(text);
      this.#chars += text.length;
      this.#lastRevision = event.revision;
      this.#filled.nudge();
    }
    return this.#chars < this.#limitChars;
  }

  /** See EventSink. */
  async untilRoom(signal: AbortSignal): Promise<void> {
    while (this.#chars > 0 && !signal.aborted) await this.#emptied.wait(signal);
  }

  /** Nothing more comes; of a failure, that is why. */
  end(failure?: { readonly error: unknown }): void {
    this.#ended = { failure };
    this.#filled.nudge();
  }

  /** All that waits, together. Undefined: there's nothing now; throws what ended it, once all before is read. */
  read(): string | undefined {
    if (this.#texts.length === 0 && this.#lost !== undefined) {
      const { count, after, until } = this.#lost;
      this.#lost = undefined;
      this.#lastRevision = until;
      return this.#format(lostEvent({ why: 'slow', count, after, until }, this.#clock.wallTime().toISOString()));
    }
    if (this.#texts.length === 0 && this.#ended?.failure !== undefined) throw this.#ended.failure.error;
    if (this.#texts.length === 0) return undefined;
    const text = this.#texts.join('');
    this.#texts = [];
    this.#chars = 0;
    this.#emptied.nudge();
    return text;
  }

  /** Nothing waits, and nothing more comes. */
  get isOver(): boolean {
    const isEnded = this.#ended !== undefined && this.#ended.failure === undefined;
    return isEnded && this.#texts.length === 0 && this.#lost === undefined;
  }

  /** Resolves once there may be something to read, or the signal aborts. */
  async untilFilled(signal: AbortSignal): Promise<void> {
    await this.#filled.wait(signal);
  }
}
