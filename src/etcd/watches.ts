import { AgentError } from '../domain/errors.ts';
import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import type { Calls } from './calls.ts';
import type { Endpoints } from './endpoints.ts';
import { toAgentError } from './grpc-failure.ts';
import { OneWatch } from './one-watch.ts';
import type { Revision, WatchBatch, WatchRange } from './port.ts';

interface Parts {
  readonly endpoints: Endpoints;
  readonly calls: Calls;
  readonly clock: Clock;
  readonly log: Log;
  readonly attemptMs: number;
}

/** A stream that lived this long was a good one: the next reconnection is at once again. */
const goodStreamMs = 1_000;
const backoff = { firstMs: 100, maxMs: 1_000, jitter: 0.5 };

/** Runs watches, each on a stream of its own that is made again, from what was delivered, whenever it breaks. */
export class Watches {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @see Kv.watch */
  async run(
    range: WatchRange,
    fromRevision: Revision,
    onBatch: (batch: WatchBatch) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const watched = 'prefix' in range ? range.prefix : range.key;
    if (fromRevision < 1)
      throw new AgentError('INVALID_INPUT', `Cannot watch "${watched}": expected a revision from 1 on`);
    const watch = new OneWatch(this.#parts, range, fromRevision, onBatch);
    for (let failures = 0; !signal.aborted; ) {
      const client = this.#parts.endpoints.current();
      const beganAtMs = this.#parts.clock.monotonicMs();
      const failure = await watch.follow(client, signal).catch((error: unknown) => {
        if (signal.aborted) return undefined;
        throw error;
      });
      if (!failure || signal.aborted) return;
      if (!failure.isTransient) throw toAgentError(failure, `watch "${watched}"`, client.endpoint);
      watch.lost();
      this.#parts.endpoints.leave(client, failure);
      failures = this.#parts.clock.monotonicMs() - beganAtMs >= goodStreamMs ? 1 : failures + 1;
      const fields = { endpoint: client.endpoint, watched, next: watch.next, reason: failure.details };
      this.#parts.log.debug(fields, 'watch broke');
      if (failures > 1)
        await this.#parts.clock.sleep(backoffMs(failures - 1, { ...backoff, random: Math.random }), signal);
    }
  }
}
