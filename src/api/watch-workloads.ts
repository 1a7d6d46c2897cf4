import type { StoreView } from '../cluster/desired-read.ts';
import type { DesiredState } from '../cluster/desired-state.ts';
import { watchWorkloadState } from '../cluster/desired-watch.ts';
import type { WorkloadName } from '../domain/ids.ts';
import type { WatchFrame } from '../wire/answers.ts';
import { readRows } from './copy-rows.ts';
import { Nudge } from './nudge.ts';
import { summarizeWorkload } from './summary.ts';

/** States that follow each other more quickly than this are told as one. */
const PAUSE_MS = 20;

/** A large workload's state takes time to tell: so many times longer is left to everything else. */
const PAUSE_FACTOR = 4;

/**
 * Each workload now, then whenever something of it changes. Only what changed since its last frame is kept ready, never a queue:
 * however slow the client, it gets the newest state next.
 */
export async function* watchWorkloads(
  store: StoreView,
  names: readonly WorkloadName[],
  signal: AbortSignal,
): AsyncGenerator<WatchFrame> {
  const stop = new AbortController();
  const onAbort = () => stop.abort(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  const nudge = new Nudge();
  const dirty = new Set<WorkloadName>();
  let state: DesiredState | undefined;
  let failure: { readonly error: unknown } | undefined;
  const onChange = (seen: DesiredState, changed: ReadonlySet<WorkloadName>) => {
    state = seen;
    for (const name of changed) dirty.add(name);
    nudge.nudge();
  };
  const watching = watchWorkloadState(store, new Set(names), onChange, stop.signal).catch((error: unknown) => {
    failure = { error };
    nudge.nudge();
  });
  const told = new Map(names.map((name) => [name, new ToldWorkload(name)]));
  try {
    for (;;) {
      await nudge.wait(stop.signal);
      signal.throwIfAborted();
      if (failure !== undefined) throw failure.error;
      const changed = [...dirty];
      dirty.clear();
      let spentMs = 0;
      for (const name of changed) {
        const beganMs = store.clock.monotonicMs();
        const frame = state === undefined ? undefined : told.get(name)?.next(state);
        spentMs += store.clock.monotonicMs() - beganMs;
        if (frame !== undefined) yield frame;
      }
      await store.clock.sleep(Math.max(PAUSE_MS, PAUSE_FACTOR * spentMs), stop.signal);
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    stop.abort();
    await watching;
  }
}

/** What a client has been told of a workload, so that it is told only what is new. */
class ToldWorkload {
  readonly #name: WorkloadName;
  readonly #rows = new Map<string, string>();
  #head: string | undefined;

  constructor(name: WorkloadName) {
    this.#name = name;
  }

  /** What is new; undefined when nothing is. */
  next(state: DesiredState): WatchFrame | undefined {
    const workload = state.workloads.get(this.#name)?.value;
    const facts = readRows(state, this.#name);
    const removed = this.#forgetAllBut(new Set(facts.map(({ row }) => row.id)));
    const rows = facts.flatMap(({ row }) => (this.#isNews(row.id, JSON.stringify(row)) ? [row] : []));
    const head = {
      workload: this.#name,
      gone: workload === undefined,
      ...(workload === undefined
        ? {}
        : { desired: workload.desired, removing: workload.removing === true, spec: workload.spec }),
      summary: summarizeWorkload(workload, facts),
    };
    const headText = JSON.stringify(head);
    if (rows.length === 0 && removed.length === 0 && headText === this.#head) return undefined;
    this.#head = headText;
    return { ...head, rows, removed };
  }

  #forgetAllBut(kept: ReadonlySet<string>): string[] {
    const removed = [...this.#rows.keys()].filter((id) => !kept.has(id));
    for (const id of removed) this.#rows.delete(id);
    return removed;
  }

  #isNews(id: string, text: string): boolean {
    if (this.#rows.get(id) === text) return false;
    this.#rows.set(id, text);
    return true;
  }
}
