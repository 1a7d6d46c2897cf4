import { errorCodeOf } from '../domain/errors.ts';
import type { Kv, Revision } from '../etcd/port.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { Clock } from '../loop/clock.ts';

/** Compacted past, a watch is begun anew: not at full speed, should that happen again and again. */
const COMPACTED_PAUSE_MS = 100;

/** By what a candidacy is watched. */
export interface CandidacyWatch {
  readonly kv: Pick<Kv, 'get' | 'watch'>;
  readonly clock: Clock;
}

/**
 * Resolves when the candidacy is over: its key deleted, or written over, which no agent does. Also when the signal aborts. A watch
 * that was compacted past is begun anew; rejects where the store can't be watched.
 */
export async function untilCandidacyOver(
  parts: CandidacyWatch,
  key: string,
  fromRevision: Revision,
  signal: AbortSignal,
): Promise<void> {
  using over = new ChildAbort(signal);
  try {
    for (let from: Revision | undefined = fromRevision; from !== undefined && !over.signal.aborted; ) {
      from = await watchOnce(parts, key, from, over);
    }
  } catch (error) {
    if (!over.signal.aborted) throw error;
  }
}

/** One watch; aborts `over` when the candidacy is. Returns from where to go on, where the store has forgotten what came before. */
async function watchOnce(
  { kv, clock }: CandidacyWatch,
  key: string,
  fromRevision: Revision,
  over: ChildAbort,
): Promise<Revision | undefined> {
  try {
    await kv.watch(
      { key },
      fromRevision,
      ({ events }) => {
        if (events.length > 0) over.abort();
      },
      over.signal,
    );
    return undefined;
  } catch (error) {
    if (errorCodeOf(error) !== 'STALE') throw error;
  }
  await clock.sleep(COMPACTED_PAUSE_MS, over.signal);
  over.signal.throwIfAborted();
  const { kv: found, revision } = await kv.get(key, over.signal);
  if (found === undefined || found.modRevision >= fromRevision) over.abort();
  return revision + 1;
}
