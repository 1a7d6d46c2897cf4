import type { Kv } from '../../src/etcd/port.ts';
import { eventually } from '../../test/support/eventually.ts';
import { now } from './moments.ts';

/** A change in the store, and when the host learned of it. */
export interface RecordedChange {
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly revision: number;
  readonly atMs: number;
}

/** Notes each change of a range as it becomes visible to a watcher in the host. */
export class Recorder {
  readonly changes: RecordedChange[] = [];
  readonly #end = new AbortController();
  readonly #watching: Promise<void>;

  private constructor(kv: Kv, prefix: string, fromRevision: number) {
    this.#watching = kv
      .watch(
        { prefix },
        fromRevision,
        (batch) => {
          const atMs = now();
          for (const { type, kv: found } of batch.events)
            this.changes.push({ type, key: found.key, revision: found.modRevision, atMs });
        },
        this.#end.signal,
      )
      .catch(() => undefined); // what is awaited of it then never comes, and says so
  }

  /** Records from now on: whatever changes after this has resolved is seen. */
  static async open(kv: Kv, prefix: string): Promise<Recorder> {
    const { revision } = await kv.get(prefix, AbortSignal.timeout(5_000));
    return new Recorder(kv, prefix, revision + 1);
  }

  /** The first change that is as wanted, once it is there. */
  async first(what: string, deadlineMs: number, isWanted: (change: RecordedChange) => boolean) {
    return eventually(what, deadlineMs, () => this.changes.find(isWanted), 5);
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#watching;
  }
}
