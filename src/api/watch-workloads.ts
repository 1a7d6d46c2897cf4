import type { StoreView } from '../cluster/desired-read.ts';
import type { DesiredState } from '../cluster/desired-state.ts';
import { watchWorkloadState } from '../cluster/desired-watch.ts';
import type { WorkloadName } from '../domain/ids.ts';
import { ChildAbort } from '../loop/child-abort.ts';
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
  using stop = new ChildAbort(signal);
  const followed = new FollowedWorkloads(store, names, stop.signal);
  const told = new Map(names.map((name) => [name, new ToldWorkload(name)]));
  try {
    for (;;) {
      const changed = await followed.changed(stop.signal);
      signal.throwIfAborted();
      let spentMs = 0;
      for (const name of changed) {
        const beganMs = store.clock.monotonicMs();
        const frame = followed.state === undefined ? undefined : told.get(name)?.next(followed.state);
        spentMs += store.clock.monotonicMs() - beganMs;
        if (frame !== undefined) yield frame;
      }
      await store.clock.sleep(Math.max(PAUSE_MS, PAUSE_FACTOR * spentMs), stop.signal);
    }
  } finally {
    stop.abort();
    await followed.ended;
  }
}

/** The state of workloads from now on, and which of them have changed since that was asked last. */
class FollowedWorkloads {
  /** Undefined until it has been read. */
  state: DesiredState | undefined;
  /** Resolves when nothing is followed any more. */
  readonly ended: Promise<void>;
  readonly #nudge = new Nudge();
  readonly #dirty = new Set<WorkloadName>();
  #failure: { readonly error: unknown } | undefined;

  constructor(store: StoreView, names: readonly WorkloadName[], signal: AbortSignal) {
    const onChange = (state: DesiredState, changed: ReadonlySet<WorkloadName>) => {
      this.state = state;
      for (const name of changed) this.#dirty.add(name);
      this.#nudge.nudge();
    };
    this.ended = watchWorkloadState(store, new Set(names), onChange, signal).catch((error: unknown) => {
      this.#failure = { error };
      this.#nudge.nudge();
    });
  }

  /** Waits until something has changed; throws what ended the following. On abort it returns what there is. */
  async changed(signal: AbortSignal): Promise<readonly WorkloadName[]> {
    await this.#nudge.wait(signal);
    if (this.#failure !== undefined && !signal.aborted) throw this.#failure.error;
    const changed = [...this.#dirty];
    this.#dirty.clear();
    return changed;
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
