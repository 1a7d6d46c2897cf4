import { errorCodeOf } from '../domain/errors.ts';
import type { ClusterEvent, LostEvents } from '../domain/event.ts';
import { CompactedError, type Revision, type WatchBatch, type WatchEvent } from '../etcd/port.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { StoreView } from './desired-read.ts';
import { EventDates, finishEvent } from './events-date.ts';
import { EventMaker } from './events-derive.ts';

/** Where to begin. `oldest`: with all that the store still has. `present`: with what happens from now on. */
export type EventStart = 'oldest' | 'present' | { readonly after: Revision; readonly skip?: number };

/** Who is told. */
export interface EventSink {
  /** Sees what one revision has changed, before it's told what that means. */
  see?(changes: readonly WatchEvent[]): void;
  /** Takes what one revision tells. False: it has enough of history for now; what is new is told all the same. */
  take(events: readonly ClusterEvent[], isHistory: boolean): boolean;
  /** Resolves once more of history may be told, or the signal aborts. */
  untilRoom(signal: AbortSignal): Promise<void>;
}

export interface EventOptions {
  readonly start: EventStart;
  /** Else it ends with what has happened by now. */
  readonly follow: boolean;
  /** Who led in the past isn't asked for: that saves a look at all candidacies. */
  readonly withoutLeaders?: true;
}

/** History is over when nothing more of it has come for so long: its last change may be no one of this cluster. */
const QUIET_MS = 1_000;
/** The same for the candidacies, which are few, and looked at before all else. */
const CANDIDATES_QUIET_MS = 300;
/** How long to wait for a store that doesn't answer. */
const RETRY_MS = 1_000;

/**
 * Tells what happens, as the store's own revisions have it: no log is kept beside them. Goes on across reconnections, none lost, none
 * twice; where the store has forgotten what came in between, an event says so. Resolves when the signal aborts or all is told; rejects
 * where the store can't be read at first.
 */
export async function followEvents(
  store: StoreView,
  options: EventOptions,
  sink: EventSink,
  signal: AbortSignal,
): Promise<void> {
  const { kv, layout } = store;
  const maker = new EventMaker(layout);
  const [nodes, candidates] = await Promise.all([kv.list(layout.nodes, signal), kv.list(layout.election, signal)]);
  maker.learnNodes(nodes.kvs);
  for (const each of candidates.kvs) maker.leaders.learn(each);
  const telling = new Telling({ store, maker, sink, present: nodes.revision, options });
  if (options.start !== 'present' && options.withoutLeaders !== true) await telling.learnCandidates(signal);
  await telling.run(signal);
}

interface Parts {
  readonly store: StoreView;
  readonly maker: EventMaker;
  readonly sink: EventSink;
  /** What came up to here is history. */
  readonly present: Revision;
  readonly options: EventOptions;
}

/** One follower's way through the history, and on. */
class Telling {
  readonly #parts: Parts;
  readonly #dates = new EventDates();
  #next: Revision;
  #skip: number;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { start } = parts.options;
    this.#skip = typeof start === 'object' ? (start.skip ?? 0) : 0;
    if (start === 'oldest') this.#next = 1;
    else if (start === 'present') this.#next = parts.present + 1;
    else this.#next = start.after + 1;
  }

  /** Who stood in the history that is about to be told, also if by now nobody does any more. */
  async learnCandidates(signal: AbortSignal): Promise<void> {
    const { store, maker } = this.#parts;
    const range = { prefix: store.layout.election, previous: true } as const;
    const absorb = ({ events }: WatchBatch) => {
      for (const event of events) maker.leaders.absorb(event);
      return true;
    };
    for (let from = Math.max(1, this.#next); ; ) {
      const end = await this.#watch({ range, from, quietMs: CANDIDATES_QUIET_MS, take: absorb }, signal);
      const { error } = end.failure ?? {};
      if (!(error instanceof CompactedError)) return; // without them it's not said who led then
      from = error.oldest;
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    const { store, options, sink } = this.#parts;
    if (!options.follow && this.#next > this.#parts.present) return;
    while (!signal.aborted) {
      const quietMs = options.follow ? undefined : QUIET_MS;
      const range = { prefix: store.layout.root, previous: true } as const;
      const end = await this.#watch({ range, from: this.#next, quietMs, take: (batch) => this.#take(batch) }, signal);
      if (signal.aborted) return;
      if (end.isOver || (!options.follow && this.#next > this.#parts.present)) break;
      if (end.failure === undefined) await sink.untilRoom(signal);
      else await this.#recover(end.failure.error, signal);
    }
    this.#give(this.#dates.flush(this.#nowIso), true);
  }

  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    if (error instanceof CompactedError) this.#skipTo(error.oldest);
    else if (errorCodeOf(error) === 'UNAVAILABLE') await this.#awaitStore(signal);
    else throw error;
  }

  /** Watches until it's over (nothing more of history came), `take` has enough, or the watch fails. */
  async #watch(
    {
      range,
      from,
      quietMs,
      take,
    }: {
      readonly range: { readonly prefix: string; readonly previous: true };
      readonly from: Revision;
      readonly quietMs: number | undefined;
      readonly take: (batch: WatchBatch) => boolean;
    },
    signal: AbortSignal,
  ): Promise<{ readonly isOver: boolean; readonly failure?: { readonly error: unknown } }> {
    const { store, present } = this.#parts;
    using stop = new ChildAbort(signal);
    let isOver = false;
    const end = () => {
      isOver = true;
      stop.abort();
    };
    const arm = () => (quietMs === undefined ? () => {} : store.clock.after(quietMs, end));
    let cancel = arm();
    const onBatch = (batch: WatchBatch) => {
      cancel();
      if (stop.signal.aborted) return;
      const hasRoom = take(batch);
      if (quietMs !== undefined && batch.revision >= present) end();
      else if (!hasRoom) stop.abort();
      else cancel = arm();
    };
    try {
      await store.kv.watch(range, from, onBatch, stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) return { isOver: false, failure: { error } };
    } finally {
      cancel();
    }
    return { isOver };
  }

  /** Tells a batch, revision by revision; false: enough of history for now. */
  #take(batch: WatchBatch): boolean {
    const { present, maker } = this.#parts;
    let hasRoom = true;
    for (const [revision, changes] of byRevision(batch.events)) {
      const isHistory = revision <= present;
      if (!this.#parts.options.follow && !isHistory) continue;
      this.#next = revision + 1;
      this.#parts.sink.see?.(changes);
      const drafts = maker.derive(changes, revision);
      const events = this.#dates.date(drafts, revision, isHistory ? undefined : this.#nowIso);
      hasRoom = this.#give(this.#skip > 0 ? events.slice(this.#skip) : events, isHistory) && hasRoom;
      this.#skip = 0;
      if (!isHistory) maker.leaders.forgetBefore(revision);
    }
    this.#next = Math.max(this.#next, batch.revision + 1);
    if (batch.revision >= present) this.#give(this.#dates.flush(this.#nowIso), true);
    return hasRoom;
  }

  #give(events: readonly ClusterEvent[], isHistory: boolean): boolean {
    return events.length === 0 || this.#parts.sink.take(events, isHistory);
  }

  /** What was asked for is forgotten: says so, and goes on with the oldest that isn't. */
  #skipTo(oldest: Revision): void {
    const { options } = this.#parts;
    const lost = { why: 'compacted', count: oldest - this.#next, after: this.#next - 1, until: oldest - 1 } as const;
    if (options.start !== 'oldest' || this.#next > 1) this.#tellLost(lost);
    this.#next = oldest;
    this.#skip = 0;
  }

  async #awaitStore(signal: AbortSignal): Promise<void> {
    const { kv, clock } = this.#parts.store;
    await clock.sleep(RETRY_MS, signal);
    if (signal.aborted) return;
    try {
      const { revision } = await kv.get(this.#parts.store.layout.cluster, signal);
      if (revision + 1 >= this.#next) return;
      // It was restored from a backup: what it says from here on is another history.
      this.#tellLost({ why: 'set-back', count: 0, after: revision, until: revision });
      this.#next = revision + 1;
    } catch (error) {
      if (!signal.aborted && errorCodeOf(error) !== 'UNAVAILABLE') throw error;
    }
  }

  #tellLost(lost: LostEvents): void {
    this.#give([lostEvent(lost, this.#nowIso)], false);
  }

  get #nowIso(): string {
    return this.#parts.store.clock.wallTime().toISOString();
  }
}

/** Says what was not told. */
export function lostEvent(lost: LostEvents, nowIso: string): ClusterEvent {
  const texts = {
    slow: `${lost.count} events were not told, since they were taken too slowly: they can be read again from after revision ${lost.after} on`,
    compacted: `etcd has forgotten ${lost.count} revisions, up to ${lost.until}: what they told is lost`,
    'set-back': 'the store was set back: what follows is another history',
  };
  return finishEvent({ type: 'events.lost', subject: 'events', text: texts[lost.why], lost }, lost.until, nowIso);
}

function* byRevision(events: readonly WatchEvent[]): Generator<[Revision, WatchEvent[]]> {
  let group: WatchEvent[] = [];
  for (const event of events) {
    const [first] = group;
    if (first !== undefined && first.kv.modRevision !== event.kv.modRevision) {
      yield [first.kv.modRevision, group];
      group = [];
    }
    group.push(event);
  }
  const [first] = group;
  if (first !== undefined) yield [first.kv.modRevision, group];
}
