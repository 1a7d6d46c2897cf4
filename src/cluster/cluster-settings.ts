import { AgentError } from '../domain/errors.ts';
import type { ClusterSettings } from '../domain/node.ts';
import type { Kv } from '../etcd/port.ts';
import { clusterSettingsCodec } from './codecs.ts';
import type { Layout } from './layout.ts';

/** The major version of the layout that this agent reads and writes. */
export const LAYOUT_VERSION = 1;

/** The cluster's settings; the first agent of the cluster writes them. Refuses (`INVALID_INPUT`) a later layout. */
export async function ensureCluster(
  kv: Kv,
  layout: Layout,
  defaults: Omit<ClusterSettings, 'layout' | 'epoch'>,
  signal: AbortSignal,
): Promise<ClusterSettings> {
  const key = layout.cluster;
  for (;;) {
    const { kv: found } = await kv.get(key, signal);
    if (found !== undefined) {
      const settings = clusterSettingsCodec.decode(found.value, key);
      if (settings.layout <= LAYOUT_VERSION) return settings;
      throw new AgentError(
        'INVALID_INPUT',
        `Cannot join: the cluster has layout ${settings.layout}, expected at most ${LAYOUT_VERSION}: upgrade this agent`,
      );
    }
    const fresh: ClusterSettings = { layout: LAYOUT_VERSION, epoch: 1, ...defaults };
    await kv.commit(
      { compares: [{ key, createRevision: 0 }], writes: [{ put: key, value: clusterSettingsCodec.encode(fresh) }] },
      signal,
    );
  }
}
