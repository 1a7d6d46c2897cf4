import type { IWatchRequest, IWatchResponse } from 'etcd3';
import type { Clock } from '../loop/clock.ts';
import type { Calls } from './calls.ts';
import { GrpcFailure, grpcCode } from './grpc-failure.ts';
import type { Revision, StoreIdentity, WatchBatch, WatchEvent, WatchRange } from './port.ts';
import type { RawClient } from './raw-client.ts';
import { decodeEvents, decodeIdentity, encodeRange } from './wire-format.ts';

interface Parts {
  readonly calls: Calls;
  readonly clock: Clock;
  readonly attemptMs: number;
}

/** One watch over all its streams: knows what was delivered, so that each stream begins exactly there. */
export class OneWatch {
  readonly #parts: Parts;
  readonly #range: WatchRange;
  readonly #onBatch: (batch: WatchBatch) => void;
  #next: Revision;
  /** The stream that it was on has broken. */
  #isLost = false;

  constructor(parts: Parts, range: WatchRange, fromRevision: Revision, onBatch: (batch: WatchBatch) => void) {
    this.#parts = parts;
    this.#range = range;
    this.#next = fromRevision;
    this.#onBatch = onBatch;
  }

  /** The first revision that wasn't delivered. Moves with what was delivered and the store's progress notices alone. */
  get next(): Revision {
    return this.#next;
  }

  /** Its stream has broken: told once, however many are tried before it goes on. */
  lost(): void {
    if (!this.#isLost) this.#tell('lost');
    this.#isLost = true;
  }

  #tell(connection: 'lost' | StoreIdentity): void {
    this.#onBatch({ revision: this.#next - 1, events: [], connection });
  }

  /** Follows on one stream until that breaks, and says why. Rejects with what `onBatch` throws and on abort. */
  async follow(client: RawClient, signal: AbortSignal): Promise<GrpcFailure> {
    const { calls, attemptMs } = this.#parts;
    try {
      await calls.within(client.connected('Watch'), { limitMs: attemptMs, sent: false }, signal);
    } catch (error) {
      if (error instanceof GrpcFailure) return error;
      throw error;
    }
    signal.throwIfAborted();
    return this.#onStream(client, signal);
  }

  #onStream(client: RawClient, signal: AbortSignal): Promise<GrpcFailure> {
    const { clock, attemptMs } = this.#parts;
    return new Promise((resolve, reject) => {
      const tidy = () => {
        notCreated();
        signal.removeEventListener('abort', onAbort);
        stream.cancel();
      };
      const end = (failure: GrpcFailure) => {
        tidy();
        resolve(failure);
      };
      const onAbort = () => {
        tidy();
        reject(signal.reason);
      };
      const take = this.#taker(() => notCreated(), end);
      const onData = (response: IWatchResponse) => {
        try {
          take(response);
        } catch (error) {
          tidy();
          reject(error);
        }
      };
      const stream = client.stream<IWatchRequest, IWatchResponse>('Watch', 'watch', { onData, onEnd: end });
      const notCreated = clock.after(attemptMs, () => {
        const details = `the watch was not created within ${attemptMs} ms`;
        end(new GrpcFailure(grpcCode.deadlineExceeded, details, { sent: true }));
      });
      signal.addEventListener('abort', onAbort, { once: true });
      stream.write(this.#request());
    });
  }

  #request(): IWatchRequest {
    return {
      create_request: {
        ...encodeRange(this.#range),
        start_revision: String(this.#next),
        progress_notify: true, // the store sends them every 10 minutes, unasked: an idle range is then not compacted past us
        fragment: true,
        prev_kv: this.#range.previous === true,
      },
    };
  }

  /** Takes the answers of one stream. Fragments of one answer are delivered as one: a revision is never split. */
  #taker(created: () => void, end: (failure: GrpcFailure) => void): (response: IWatchResponse) => void {
    let events: WatchEvent[] = [];
    return (response) => {
      if (response.canceled) end(whyCanceled(response, this.#next));
      else if (response.created) {
        created(); // its revision is the store's, not what was delivered
        if (this.#isLost) this.#tell(decodeIdentity(response.header));
        this.#isLost = false;
      } else {
        for (const event of decodeEvents(response)) events.push(event);
        if (response.fragment) return;
        const all = events;
        events = [];
        this.#deliver(all, Number(response.header.revision));
      }
    };
  }

  /** @param storeRevision says something only without events: then all up to it was delivered */
  #deliver(all: readonly WatchEvent[], storeRevision: Revision): void {
    const events = all.filter((event) => event.kv.modRevision >= this.#next);
    const revision = all.at(-1)?.kv.modRevision ?? storeRevision;
    if (revision < this.#next) return;
    this.#next = revision + 1;
    this.#onBatch({ revision, events });
  }
}

function whyCanceled(response: IWatchResponse, next: Revision): GrpcFailure {
  const { compact_revision: oldest, cancel_reason: reason } = response;
  if (oldest !== '0') {
    const details = `revision ${next} is compacted, the oldest is ${oldest}`;
    return new GrpcFailure(grpcCode.outOfRange, details, { sent: true, oldest: Number(oldest) });
  }
  const code = reason.includes('permission denied') ? grpcCode.permissionDenied : grpcCode.unavailable;
  return new GrpcFailure(code, reason || 'the watch was canceled', { sent: true });
}
