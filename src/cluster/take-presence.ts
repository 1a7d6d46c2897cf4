import { AgentError } from '../domain/errors.ts';
import type { NodeId } from '../domain/ids.ts';
import type { NodeRecord, Presence } from '../domain/node.ts';
import type { Compare, KeyValue, Kv, LeaseId, Write } from '../etcd/port.ts';
import type { Session } from '../etcd/session.ts';
import type { Clock } from '../loop/clock.ts';
import { nodeRecordCodec, presenceCodec } from './codecs.ts';
import type { Layout } from './layout.ts';
import { readPresence } from './own-presence.ts';

/** What presence says besides whose it is. */
export type PresenceWords = Pick<Presence, 'state' | 'doubt' | 'epoch'>;

/** A lease that is ours, with presence bound to it. */
export interface TakenPresence {
  readonly session: Session;
  /** Of presence as this process wrote it. */
  readonly revision: number;
  /** Monotonic: before this, a `stop` instance may still run on the machine as it was before its reboot. */
  readonly stopMayStartAtMs: number;
  readonly how: 'registered' | 'adopted' | 'taken-over';
}

export interface TakePresenceOptions {
  readonly kv: Kv;
  /** Makes a session on a new lease, or on one that exists (undefined where it's gone). */
  readonly sessions: {
    open(signal: AbortSignal): Promise<Session>;
    adopt(id: LeaseId, signal: AbortSignal): Promise<Session | undefined>;
  };
  readonly layout: Layout;
  readonly node: NodeId;
  readonly nonce: string;
  readonly record: NodeRecord;
  /** What it says of the node. */
  readonly says: PresenceWords;
  readonly ttlMs: number;
  /** How often a living twin would renew. */
  readonly renewIntervalMs: number;
  readonly clock: Clock;
}

/**
 * Makes presence this process's (PROTOCOL section 1): registers where there's none, adopts the lease of the agent that ran
 * before it in this boot, takes over from an earlier boot, and refuses (`CONFLICT`) where another machine with this machine ID lives.
 */
export async function takePresence(options: TakePresenceOptions, signal: AbortSignal): Promise<TakenPresence> {
  const { kv, layout, node, nonce, record } = options;
  const { kv: found } = await kv.get(layout.presence(node), signal);
  if (found === undefined)
    return register(options, { key: layout.presence(node), createRevision: 0 }, 'registered', 0, [], signal);
  const presence = readPresence(found);
  const isThisBoot = presence?.bootId === record.bootId || presence?.nonce === nonce;
  if (presence === undefined || !isThisBoot) return takeOver(options, found, presence, signal);
  if (presence.state === 'up' || presence.state === 'in-doubt') {
    const adopted = await adopt(options, found, signal);
    if (adopted !== undefined) return adopted;
  }
  // The lease is on its way out, or it's the long one of an agent that was stopped: a lease of our own replaces it.
  const replaced = await register(options, unchanged(found), 'adopted', 0, withdrawn(options, found), signal);
  await kv.revokeLease(found.lease, signal).catch(() => signal.throwIfAborted());
  return replaced;
}

function unchanged(found: KeyValue): Compare {
  return { key: found.key, modRevision: found.modRevision };
}

/** A process never inherits a term: the candidacy under the old lease goes. */
function withdrawn({ layout }: TakePresenceOptions, found: KeyValue): Write[] {
  return [{ delete: layout.candidate(found.lease) }];
}

async function register(
  options: TakePresenceOptions,
  compare: Compare,
  how: TakenPresence['how'],
  stopMayStartAtMs: number,
  also: readonly Write[],
  signal: AbortSignal,
): Promise<TakenPresence> {
  const { kv, sessions } = options;
  const session = await sessions.open(signal);
  const writes = [...ownWrites(options, session.leaseId), ...also];
  const { applied, revision } = await kv.commit({ compares: [compare], writes }, signal);
  if (!applied) {
    await kv.revokeLease(session.leaseId, signal).catch(() => signal.throwIfAborted());
    throw new AgentError('STALE', `Cannot register node ${options.node}: its presence has changed meanwhile`);
  }
  return { session, revision, stopMayStartAtMs, how };
}

async function adopt(
  options: TakePresenceOptions,
  found: KeyValue,
  signal: AbortSignal,
): Promise<TakenPresence | undefined> {
  const { kv, sessions } = options;
  const session = await sessions.adopt(found.lease, signal);
  if (session === undefined) return undefined;
  const writes = [...ownWrites(options, found.lease), ...withdrawn(options, found)];
  const { applied, revision } = await kv.commit({ compares: [unchanged(found)], writes }, signal);
  if (!applied)
    throw new AgentError('STALE', `Cannot adopt the presence of node ${options.node}: it has changed meanwhile`);
  return { session, revision, stopMayStartAtMs: 0, how: 'adopted' };
}

function ownWrites({ layout, node, nonce, record, says, ttlMs }: TakePresenceOptions, lease: LeaseId): Write[] {
  const presence: Presence = { nonce, bootId: record.bootId, ttlMs, ...says };
  return [
    { put: layout.nodeRecord(node), value: nodeRecordCodec.encode(record) },
    { put: layout.presence(node), value: presenceCodec.encode(presence), lease },
  ];
}

/** Another boot of this machine, or another machine with its ID? One that can't be read may be either. */
async function takeOver(
  options: TakePresenceOptions,
  found: KeyValue,
  presence: Presence | undefined,
  signal: AbortSignal,
): Promise<TakenPresence> {
  const { kv } = options;
  await refuseClone(options, signal);
  const runsOutAtMs = presence?.state === 'leaving' ? 0 : await watchTwin(options, found, signal);
  const taken = await register(options, unchanged(found), 'taken-over', runsOutAtMs, withdrawn(options, found), signal);
  await kv.revokeLease(found.lease, signal).catch(() => signal.throwIfAborted());
  return taken;
}

async function refuseClone({ kv, layout, node, record }: TakePresenceOptions, signal: AbortSignal): Promise<void> {
  const { kv: found } = await kv.get(layout.nodeRecord(node), signal);
  const other = found && readRecord(found);
  if (other?.productUuid === undefined || record.productUuid === undefined || other.productUuid === record.productUuid)
    return;
  throw cloned(
    record,
    `machine ${other.hostname} (${other.advertise}, product UUID ${other.productUuid}) has it too, this one's is ${record.productUuid}`,
  );
}

/** Undefined for text that is no record: it says nothing of another machine, and is written anew on joining. */
function readRecord({ key, value }: KeyValue): NodeRecord | undefined {
  try {
    return nodeRecordCodec.decode(value, key);
  } catch {
    return undefined;
  }
}

/**
 * A lease that grows, or a presence that changes, has a living owner: refused. Else returns when the lease runs out, on the monotonic
 * clock. An election of etcd prolongs all leases, and says nothing: it's watched anew.
 */
async function watchTwin(options: TakePresenceOptions, found: KeyValue, signal: AbortSignal): Promise<number> {
  const { kv, record, renewIntervalMs, clock } = options;
  const watchMs = Math.max(renewIntervalMs * 1.5, 1_500);
  for (;;) {
    const { raftTerm } = await kv.identity(signal);
    const { remainingMs } = await kv.leaseTimeToLive(found.lease, signal);
    const seenAtMs = clock.monotonicMs();
    await clock.sleep(watchMs, signal);
    signal.throwIfAborted();
    const { kv: now } = await kv.get(found.key, signal);
    if (now === undefined)
      throw new AgentError('STALE', `Cannot take over the presence at "${found.key}": it has just ended`);
    const later = await kv.leaseTimeToLive(found.lease, signal);
    // etcd tells whole seconds, cut off: a lease that nobody renews has lost at least the whole seconds that went by.
    const isAlive = later.remainingMs > 0; // what somebody put there by hand may have no lease
    const hasGrown = isAlive && remainingMs - later.remainingMs < Math.floor(watchMs / 1_000) * 1_000;
    const isUnchanged = now.modRevision === found.modRevision;
    if (isUnchanged && !hasGrown) return seenAtMs + remainingMs;
    if (!isUnchanged || (await kv.identity(signal)).raftTerm === raftTerm)
      throw cloned(record, 'another machine that is alive has it too, and renews its presence');
  }
}

function cloned(record: NodeRecord, what: string): AgentError {
  return new AgentError(
    'CONFLICT',
    `Cannot join as machine ID ${record.machineId}: ${what}. Expected a machine ID of its own: empty /etc/machine-id in the image, or run systemd-machine-id-setup on the copy`,
  );
}
