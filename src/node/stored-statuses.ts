import { statusCodec } from '../cluster/codecs.ts';
import { type InstanceKey, parseInstanceKey } from '../domain/ids.ts';
import type { InstanceStatus } from '../domain/status.ts';
import type { KeyValue, Kv } from '../etcd/port.ts';
import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import type { StoredStatus } from './status-writer.ts';

/** Where the statuses are read from, and what waiting for them takes. */
export interface StoredStatusesOptions {
  readonly kv: Pick<Kv, 'list'>;
  /** Ends in `/`. */
  readonly range: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

/** The statuses as the store has them, asked for until it answers; undefined when the signal has aborted. */
export async function listStoredStatuses(
  { kv, range, clock, log, random }: StoredStatusesOptions,
  signal: AbortSignal,
): Promise<Map<InstanceKey, StoredStatus> | undefined> {
  for (let failures = 1; !signal.aborted; failures += 1) {
    try {
      const { kvs } = await kv.list(range, signal);
      return readStoredStatuses(range, kvs, log);
    } catch (err) {
      if (signal.aborted) return undefined;
      if (failures === 1 || failures % 30 === 0) log.warn({ failures, err }, 'stored statuses not read yet');
      await clock.sleep(backoffMs(failures, { firstMs: 100, maxMs: 2_000, jitter: 0.5, random }), signal);
    }
  }
  return undefined;
}

/** A key that isn't ours is reported and left alone. */
function readStoredStatuses(range: string, kvs: readonly KeyValue[], log: Log): Map<InstanceKey, StoredStatus> {
  const stored = new Map<InstanceKey, StoredStatus>();
  for (const { key, value, modRevision: revision } of kvs) {
    try {
      stored.set(parseInstanceKey(key.slice(range.length)), { text: value, revision, status: decode(key, value) });
    } catch (err) {
      log.warn({ key, err }, 'status of an unreadable name left alone');
    }
  }
  return stored;
}

/** Undefined for what can't be read: it's written anew. */
function decode(key: string, value: string): InstanceStatus | undefined {
  try {
    return statusCodec.decode(value, key);
  } catch {
    return undefined;
  }
}
