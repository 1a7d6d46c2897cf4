import { errorCodeOf } from '../domain/errors.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { ChangeFrame } from '../wire/answers.ts';
import type { ApiDeps } from './api-deps.ts';
import { Nudge } from './nudge.ts';

/** Changes that follow each other more quickly than this are told as one. */
const PAUSE_MS = 200;

/** How long to wait for a store that does not answer. */
const RETRY_MS = 1_000;

/**
 * A frame now, then one after each change of the cluster's keys or of the node that answers. It says that, not what: the client
 * reads again. Nothing is kept ready for a slow client but that there is something new.
 */
export async function* watchChanges(deps: ApiDeps, signal: AbortSignal): AsyncGenerator<ChangeFrame> {
  using stop = new ChildAbort(signal);
  const nudge = new Nudge();
  const seen: { revision?: number } = {};
  const cancel = deps.node.onChange(() => nudge.nudge());
  const onRevision = (revision: number) => {
    seen.revision = revision;
    nudge.nudge();
  };
  const following = followStore(deps, onRevision, stop.signal);
  try {
    for (nudge.nudge(); ; ) {
      await nudge.wait(stop.signal);
      signal.throwIfAborted();
      yield { ...seen };
      await deps.clock.sleep(PAUSE_MS, stop.signal);
    }
  } finally {
    cancel();
    stop.abort();
    await following;
  }
}

/** Calls with each revision that changed something, until the signal aborts; a store that goes away is awaited. */
async function followStore(
  { store: { kv, layout, clock } }: ApiDeps,
  onRevision: (revision: number) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const { revision } = await kv.identity(signal);
      onRevision(revision);
      const onBatch = (batch: { readonly revision: number; readonly events: readonly unknown[] }) => {
        if (batch.events.length > 0) onRevision(batch.revision);
      };
      await kv.watch({ prefix: layout.root }, revision + 1, onBatch, signal);
    } catch (error) {
      if (signal.aborted) return;
      // Compacted past, it is read anew. Whatever else it is, it may pass: the client is told nothing new meanwhile.
      if (errorCodeOf(error) !== 'STALE') await clock.sleep(RETRY_MS, signal);
    }
  }
}
