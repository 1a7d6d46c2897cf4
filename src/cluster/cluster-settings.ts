import { AgentError, errorText } from '../domain/errors.ts';
import type { ClusterSettings } from '../domain/node.ts';
import type { KeyValue, Kv } from '../etcd/port.ts';
import { clusterSettingsCodec } from './codecs.ts';
import type { Layout } from './layout.ts';

/** The major version of the layout that this agent reads and writes. */
export const LAYOUT_VERSION = 1;

/** What the agent that creates a cluster writes. */
export type NewCluster = Omit<ClusterSettings, 'layout'>;

/** The cluster's settings; the first agent of the cluster writes them. Refuses (`INVALID_INPUT`) a later layout. */
export async function ensureCluster(
  kv: Pick<Kv, 'get' | 'commit'>,
  layout: Layout,
  fresh: NewCluster,
  signal: AbortSignal,
): Promise<ClusterSettings> {
  const key = layout.cluster;
  for (;;) {
    const { kv: found } = await kv.get(key, signal);
    if (found !== undefined) return decodeSettings(found);
    const value = clusterSettingsCodec.encode({ layout: LAYOUT_VERSION, ...fresh });
    await kv.commit({ compares: [{ key, createRevision: 0 }], writes: [{ put: key, value }] }, signal);
  }
}

/** The cluster's settings as they are; undefined where they are gone, or can't be understood. */
export async function readSettings(
  kv: Pick<Kv, 'get'>,
  layout: Layout,
  signal: AbortSignal,
): Promise<ClusterSettings | undefined> {
  const { kv: found } = await kv.get(layout.cluster, signal);
  try {
    return found && decodeSettings(found);
  } catch {
    return undefined;
  }
}

/**
 * Tells the settings now and at each change, until the signal aborts. What can't be read, or is gone, is told as a problem, and
 * changes nothing. Rejects where the store can't be read, or has forgotten what came in between: then it's to be begun anew.
 */
export async function followSettings(
  kv: Pick<Kv, 'get' | 'watch'>,
  layout: Layout,
  tell: { readonly settings: (settings: ClusterSettings) => void; readonly problem: (text: string) => void },
  signal: AbortSignal,
): Promise<void> {
  const look = (found: KeyValue | undefined): void => {
    try {
      if (found === undefined)
        tell.problem('the settings of the cluster are gone: the next agent that joins writes new ones');
      else tell.settings(decodeSettings(found));
    } catch (error) {
      tell.problem(errorText(error));
    }
  };
  const { kv: found, revision } = await kv.get(layout.cluster, signal);
  look(found);
  const onBatch: Parameters<Kv['watch']>[2] = ({ events }) => {
    const last = events.at(-1);
    if (last !== undefined) look(last.type === 'delete' ? undefined : last.kv);
  };
  await kv.watch({ key: layout.cluster }, revision + 1, onBatch, signal);
}

function decodeSettings(found: KeyValue): ClusterSettings {
  const settings = clusterSettingsCodec.decode(found.value, found.key);
  if (settings.layout <= LAYOUT_VERSION) return settings;
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot join: the cluster has layout ${settings.layout}, expected at most ${LAYOUT_VERSION}: upgrade this agent`,
  );
}
