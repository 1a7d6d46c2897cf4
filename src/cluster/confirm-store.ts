import { AgentError } from '../domain/errors.ts';
import type { NodeId } from '../domain/ids.ts';
import type { ClusterSettings, StoreLine } from '../domain/node.ts';
import type { Kv, Revision } from '../etcd/port.ts';
import { clusterSettingsCodec } from './codecs.ts';
import { type Layout, parseNodeKey } from './layout.ts';
import { readPresence } from './own-presence.ts';

/** A node that doubts the store. */
export interface NodeDoubt {
  readonly node: NodeId;
  readonly reason: string;
}

/** Who doubts the store, and where it is now. */
export interface StoreDoubts {
  readonly doubts: readonly NodeDoubt[];
  readonly line: StoreLine;
  /** The one that ends all the doubts. */
  readonly nextEpoch: number;
}

/** Reads it from the presences. `NOT_FOUND` where the cluster has no settings: then there's nothing to confirm. */
export async function readStoreDoubts(
  kv: Pick<Kv, 'get' | 'list' | 'identity'>,
  layout: Layout,
  signal: AbortSignal,
): Promise<StoreDoubts> {
  return (await read(kv, layout, signal)).found;
}

/**
 * An operator says that the store is the right one as it is now: the epoch becomes higher than any that a node knows, and the line is
 * recorded. Each node takes it for its own. `CONFLICT` where nobody doubts the store.
 */
export async function confirmStore(
  kv: Pick<Kv, 'get' | 'list' | 'identity' | 'commit'>,
  layout: Layout,
  signal: AbortSignal,
): Promise<StoreDoubts> {
  for (;;) {
    const { found, settings, modRevision } = await read(kv, layout, signal);
    if (found.doubts.length === 0)
      throw new AgentError('CONFLICT', 'Cannot confirm the store: no node doubts it, expected one that does');
    const next: ClusterSettings = { ...settings, epoch: found.nextEpoch, confirmedStore: found.line };
    const key = layout.cluster;
    const writes = [{ put: key, value: clusterSettingsCodec.encode(next) }];
    const { applied } = await kv.commit({ compares: [{ key, modRevision }], writes }, signal);
    if (applied) return found;
  }
}

async function read(
  kv: Pick<Kv, 'get' | 'list' | 'identity'>,
  layout: Layout,
  signal: AbortSignal,
): Promise<{ readonly found: StoreDoubts; readonly settings: ClusterSettings; readonly modRevision: Revision }> {
  const { kvs } = await kv.list(layout.nodes, signal);
  const presences = kvs.flatMap((each) => {
    const presence = isPresence(layout, each.key) ? readPresence(each) : undefined;
    return presence === undefined ? [] : [{ node: parseNodeKey(layout, each.key).node, presence }];
  });
  const { kv: stored } = await kv.get(layout.cluster, signal);
  if (stored === undefined)
    throw new AgentError('NOT_FOUND', `Cannot read the settings of the cluster: expected them at "${layout.cluster}"`);
  const settings = clusterSettingsCodec.decode(stored.value, stored.key);
  const epochs = presences.map(({ presence }) => presence.epoch ?? 0);
  const doubts = presences.flatMap(({ node, presence: { state, doubt } }) =>
    doubt === undefined && state !== 'in-doubt' ? [] : [{ node, reason: doubt ?? 'it does not say why' }],
  );
  const line = await kv.identity(signal);
  return {
    found: { doubts, line, nextEpoch: Math.max(settings.epoch, ...epochs) + 1 },
    settings,
    modRevision: stored.modRevision,
  };
}

function isPresence(layout: Layout, key: string): boolean {
  try {
    return parseNodeKey(layout, key).kind === 'presence';
  } catch {
    return false; // nobody's of ours
  }
}
