import type { ICompare, IKeyValue, ILeaseTimeToLiveResponse, IRequestOp, IResponseHeader, IWatchResponse } from 'etcd3';
import { AgentError } from '../domain/errors.ts';
import type { Compare, KeyValue, LeaseTime, Range, StoreIdentity, WatchEvent, Write } from './port.ts';

/** A key and, of a prefix, the first key after it. */
export interface EncodedRange {
  readonly key: Buffer;
  readonly range_end?: Buffer;
}

/** Refuses a prefix that another name could begin with: two clusters on one etcd never see each other. */
export function encodeRange(range: Range): EncodedRange {
  if ('key' in range) return { key: Buffer.from(range.key) };
  const { prefix } = range;
  if (!prefix.endsWith('/')) {
    throw new AgentError('INVALID_INPUT', `Cannot read the range "${prefix}": expected a prefix that ends in "/"`);
  }
  return { key: Buffer.from(prefix), range_end: Buffer.from(`${prefix.slice(0, -1)}0`) }; // "0" follows "/"
}

/** What the head of an answer says of the store. */
export function decodeIdentity(header: IResponseHeader): StoreIdentity {
  return { clusterId: header.cluster_id, raftTerm: Number(header.raft_term), revision: Number(header.revision) };
}

/**
 * Seconds: what etcd before 3.4.32 and 3.5.14 says is left of a lease while its new leader has not taken over the leases yet (etcd's pull
 * request 17642); newer ones answer with an error then.
 */
const NOT_TAKEN_OVER_S = 9_223_372_036;

/** What is left of a lease, in whole seconds, 0 where it's gone. Throws `UNAVAILABLE` where etcd can't tell yet. */
export function decodeTimeToLive({ ID, TTL, grantedTTL }: ILeaseTimeToLiveResponse): LeaseTime {
  if (Number(TTL) >= NOT_TAKEN_OVER_S)
    throw new AgentError(
      'UNAVAILABLE',
      `Cannot tell the time left of lease "${ID}": expected etcd's new leader to have taken over the leases`,
    );
  return { remainingMs: Math.max(0, Number(TTL)) * 1000, grantedMs: Number(grantedTTL) * 1000 };
}

export function decodeKeyValue(kv: IKeyValue): KeyValue {
  return {
    key: kv.key.toString(),
    value: kv.value.toString(),
    createRevision: Number(kv.create_revision),
    modRevision: Number(kv.mod_revision),
    lease: kv.lease,
  };
}

export function decodeEvents(response: IWatchResponse): WatchEvent[] {
  return response.events.map((event) => ({
    type: event.type === 'Delete' ? 'delete' : 'put',
    kv: decodeKeyValue(event.kv),
    ...(isKept(event.prev_kv) ? { previous: decodeKeyValue(event.prev_kv) } : {}),
  }));
}

/** Without one the store leaves the field out, or empty. */
function isKept(kv: IKeyValue | null | undefined): kv is IKeyValue {
  return kv !== null && kv !== undefined && kv.key.length > 0;
}

export function encodeCompare(compare: Compare): ICompare {
  const key = Buffer.from(compare.key);
  if ('createRevision' in compare) {
    return { result: 'Equal', target: 'Create', key, create_revision: String(compare.createRevision) };
  }
  if ('modRevision' in compare) {
    return { result: 'Equal', target: 'Mod', key, mod_revision: String(compare.modRevision) };
  }
  if ('lease' in compare) return { result: 'Equal', target: 'Lease', key, lease: compare.lease };
  return { result: 'Equal', target: 'Value', key, value: Buffer.from(compare.value) };
}

export function encodeWrite(write: Write): IRequestOp {
  if ('delete' in write) return { request_delete_range: { key: Buffer.from(write.delete) } };
  const { put, value, lease } = write;
  return { request_put: { key: Buffer.from(put), value: Buffer.from(value), ...(lease !== undefined && { lease }) } };
}
