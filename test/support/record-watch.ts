import type { Kv, Revision, WatchBatch, WatchEvent, WatchRange } from '../../src/etcd/port.ts';

/** All that a watch has told so far. */
export interface Recorded {
  readonly events: WatchEvent[];
  readonly batches: WatchBatch[];
  /** Up to here all is told. */
  readonly revision: Revision;
  readonly ended: Promise<void>;
}

/** Watches and keeps everything. */
export function recordWatch(kv: Kv, range: WatchRange, from: Revision, signal: AbortSignal): Recorded {
  const events: WatchEvent[] = [];
  const batches: WatchBatch[] = [];
  let revision = from - 1;
  const onBatch = (batch: WatchBatch) => {
    batches.push(batch);
    for (const event of batch.events) events.push(event);
    revision = batch.revision;
  };
  const ended = kv.watch(range, from, onBatch, signal);
  ended.catch(() => {}); // a failed test doesn't get to await it
  return {
    events,
    batches,
    get revision() {
      return revision;
    },
    ended,
  };
}

/** Keys and values as they stood at a revision, by what a watch from before the first key told. */
export function replay(events: readonly WatchEvent[], atRevision: Revision): Map<string, string> {
  const state = new Map<string, string>();
  for (const { type, kv } of events) {
    if (kv.modRevision > atRevision) break;
    if (type === 'put') state.set(kv.key, kv.value);
    else state.delete(kv.key);
  }
  return state;
}
