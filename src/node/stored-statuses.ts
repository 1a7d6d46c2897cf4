import { statusCodec } from '../cluster/codecs.ts';
import { type InstanceKey, parseInstanceKey } from '../domain/ids.ts';
import type { InstanceStatus } from '../domain/status.ts';
import type { KeyValue } from '../etcd/port.ts';
import type { Log } from '../loop/log.ts';
import type { StoredStatus } from './status-writer.ts';

/** The statuses below `range` as the store has them; a key that isn't ours is reported and left alone. */
export function readStoredStatuses(range: string, kvs: readonly KeyValue[], log: Log): Map<InstanceKey, StoredStatus> {
  const stored = new Map<InstanceKey, StoredStatus>();
  for (const { key, value } of kvs) {
    try {
      stored.set(parseInstanceKey(key.slice(range.length)), { text: value, status: decode(key, value) });
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
