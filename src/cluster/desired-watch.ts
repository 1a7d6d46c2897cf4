import { errorCodeOf } from '../domain/errors.ts';
import type { WorkloadName } from '../domain/ids.ts';
import type { Revision, WatchBatch } from '../etcd/port.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import { readMissing, readWorkloadState, type StoreView } from './desired-read.ts';
import type { DesiredState } from './desired-state.ts';
import type { Layout } from './layout.ts';
import { WatchedRanges } from './watched-ranges.ts';

/** How long to wait for a store that went away while it was watched. */
const RETRY_MS = 1_000;
/** Compacted past, it's read anew: not at full speed, should that happen again and again. */
const COMPACTED_PAUSE_MS = 100;

/**
 * Calls `onChange` with the workloads that may have changed, now and after each change, until the signal aborts (then it
 * resolves). Rejects with `UNAVAILABLE` when not even the first read succeeds; later it waits for the store.
 */
export async function watchWorkloadState(
  store: StoreView,
  names: ReadonlySet<WorkloadName>,
  onChange: (state: DesiredState, changed: ReadonlySet<WorkloadName>) => void,
  signal: AbortSignal,
): Promise<void> {
  let wasRead = false;
  while (!signal.aborted) {
    try {
      const { state, revision } = await readWorkloadState(store, [...names], signal);
      wasRead = true;
      onChange(state, names);
      await follow(store, { state, names, onChange }, revision + 1, signal);
    } catch (error) {
      if (signal.aborted) return;
      const code = errorCodeOf(error);
      if (code !== 'STALE' && (code !== 'UNAVAILABLE' || !wasRead)) throw error;
      await store.clock.sleep(code === 'STALE' ? COMPACTED_PAUSE_MS : RETRY_MS, signal);
    }
  }
}

interface Following {
  readonly state: DesiredState;
  readonly names: ReadonlySet<WorkloadName>;
  readonly onChange: (state: DesiredState, changed: ReadonlySet<WorkloadName>) => void;
}

/** Watches what can concern the names, and more as their copies come to more nodes; a watch that fails ends the others. */
async function follow(store: StoreView, following: Following, from: Revision, signal: AbortSignal): Promise<void> {
  const { kv } = store;
  using stop = new ChildAbort(signal);
  const failed: unknown[] = [];
  const fail = (error: unknown) => {
    if (!stop.signal.aborted) failed.push(error);
    stop.abort(error);
  };
  const watched = new WatchedRanges(store.layout, following);
  const watching: Promise<void>[] = [];
  const watchMore = (since: Revision) => {
    for (const range of watched.missing())
      watching.push(kv.watch(range, since, onBatch, stop.signal).then(() => stop.abort(), fail));
  };
  const onBatch = (batch: WatchBatch) => {
    const changed = take(store, following, batch);
    if (changed.size === 0) return;
    following.onChange(following.state, changed);
    watchMore(batch.revision + 1); // first: what is read below is then of no earlier revision
    readMissing(store, following.state, [...changed], stop.signal).then((more) => {
      if (!more || stop.signal.aborted) return;
      following.onChange(following.state, changed);
    }, fail);
  };
  watchMore(from);
  for (let at = 0; at < watching.length; at += 1) await watching[at];
  if (failed.length > 0) throw failed[0];
}

/** Takes in what concerns the names, and says which. Keys of others are not even decoded. */
function take({ layout }: StoreView, { state, names }: Following, batch: WatchBatch): Set<WorkloadName> {
  const changed = new Set<WorkloadName>();
  for (const { type, kv } of batch.events) {
    const isNode = kv.key.startsWith(layout.nodes);
    const name = isNode ? undefined : workloadOf(layout, kv.key);
    if (!isNode && (name === undefined || !names.has(name))) continue;
    if (type === 'put') state.learn(kv);
    else state.forget(kv.key, kv.modRevision);
    for (const each of name === undefined ? names : [name]) changed.add(each);
  }
  return changed;
}

/** The workload that a key is about, told by its place alone. */
function workloadOf(layout: Layout, key: string): WorkloadName | undefined {
  const after = (range: string, part: number) => key.slice(range.length).split('/')[part] as WorkloadName | undefined;
  if (key.startsWith(layout.workloads)) return after(layout.workloads, 0);
  if (key.startsWith(layout.instances)) return after(layout.instances, 0);
  if (key.startsWith(layout.assignments)) return after(layout.assignments, 1);
  return key.startsWith(layout.statuses) ? after(layout.statuses, 1) : undefined;
}
