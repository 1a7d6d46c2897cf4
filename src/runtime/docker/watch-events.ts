import { errorText } from '../../domain/errors.ts';
import type { ClusterId } from '../../domain/ids.ts';
import { backoffMs } from '../../loop/backoff.ts';
import type { Clock } from '../../loop/clock.ts';
import type { Log } from '../../loop/log.ts';
import type { Engine } from './engine.ts';
import { makeLabelFilter } from './labels.ts';
import { readJsonLines } from './read-json-lines.ts';

/** What a watch needs and whom it tells. */
export interface WatchOptions {
  readonly engine: Engine;
  readonly clusterId: ClusterId;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** The stream is open: list now, and nothing is missed. */
  readonly onOpen: () => void;
  /** Docker did something to this container. */
  readonly onEvent: (id: string) => void;
  readonly onClose: () => void;
}

/** Neither `create` (only we make ours) nor `exec_*` (each health check makes three). */
const events = ['start', 'die', 'destroy', 'oom', 'pause', 'unpause', 'rename', 'update', 'health_status'];
/** A stream that ended sooner has failed. */
const steadyMs = 1_000;
const backoff = { firstMs: 100, maxMs: 2_000, jitter: 0.3 };

/** Follows the events of the cluster's containers until the signal aborts; a lost stream is opened again, however long it takes. */
export async function watchEvents(options: WatchOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, random } = options;
  for (let failures = 0; !signal.aborted; ) {
    let openedAtMs: number | undefined;
    try {
      await followEvents(
        options,
        () => {
          openedAtMs = clock.monotonicMs();
        },
        signal,
      );
    } catch (error) {
      if (signal.aborted) break;
      // Once per outage: a machine without Docker, or with a stopped one, is no news every second.
      if (openedAtMs !== undefined || failures === 0)
        log.info({ runtime: 'docker', err: errorText(error) }, 'events not followed');
    }
    // One that is taken and ended at once, each time, is no more than one that is refused.
    failures = openedAtMs !== undefined && clock.monotonicMs() - openedAtMs >= steadyMs ? 1 : failures + 1;
    await clock.sleep(backoffMs(failures, { ...backoff, random }), signal);
  }
}

async function followEvents(options: WatchOptions, opened: () => void, signal: AbortSignal): Promise<void> {
  const { engine, clusterId, log, onOpen, onEvent, onClose } = options;
  const filters = JSON.stringify({ type: ['container'], event: events, label: makeLabelFilter(clusterId) });
  const reply = await engine.stream({ method: 'GET', path: '/events', query: { filters } }, signal);
  if (!('chunks' in reply)) throw new Error(`Docker answered ${reply.status}: ${reply.message}`);
  opened();
  log.info({ runtime: 'docker' }, 'events followed');
  onOpen();
  try {
    for await (const { id } of readJsonLines(reply.chunks)) if (typeof id === 'string') onEvent(id);
  } finally {
    onClose();
  }
  throw new Error('the stream ended');
}
