import { isDeepStrictEqual } from 'node:util';
import { AgentError } from '../domain/errors.ts';
import type { NodeId } from '../domain/ids.ts';
import type { NodeSettings } from '../domain/node.ts';
import type { KeyValue, Revision } from '../etcd/port.ts';
import { nodeSettingsCodec } from './codecs.ts';
import type { StoreView } from './desired-read.ts';

/** How often a change is tried again when another one came first. */
const ATTEMPTS = 8;

/** What a change of a node's settings did. */
export interface ChangedSettings {
  readonly settings: NodeSettings;
  /** False: all was so already, and nothing was written. */
  readonly changed: boolean;
  readonly revision: Revision;
}

/**
 * Changes what operators set on a node, in one transaction that compares what was read; one that comes second reads again.
 * `NOT_FOUND` for a node that isn't known. What `change` throws is passed on, and nothing is written.
 */
export async function changeNodeSettings(
  store: StoreView,
  node: NodeId,
  change: (before: NodeSettings) => NodeSettings,
  signal: AbortSignal,
): Promise<ChangedSettings> {
  const { kv, layout } = store;
  const key = layout.nodeSettings(node);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const [record, found] = await Promise.all([kv.get(layout.nodeRecord(node), signal), kv.get(key, signal)]);
    if (record.kv === undefined) throw new AgentError('NOT_FOUND', `Cannot find node "${node}"`);
    const before =
      found.kv === undefined ? unset : withoutRefuted(decode(found.kv.value, key, node), record.kv, found.kv);
    const settings = change(before);
    if (isDeepStrictEqual(before, settings)) return { settings, changed: false, revision: found.revision };
    const compares = [
      { key: layout.nodeRecord(node), modRevision: record.kv.modRevision },
      { key, modRevision: found.kv?.modRevision ?? 0 },
    ];
    const writes = [{ put: key, value: nodeSettingsCodec.encode(settings) }];
    const { applied, revision } = await kv.commit({ compares, writes }, signal);
    if (applied) return { settings, changed: true, revision };
  }
  throw new AgentError(
    'CONFLICT',
    `Cannot change node "${node}": others changed it ${ATTEMPTS} times meanwhile; try again`,
  );
}

/** Who has registered since an operator said that it's gone for good has refuted that: the leader takes it back, and so does any change. */
function withoutRefuted(settings: NodeSettings, record: KeyValue, stored: KeyValue): NodeSettings {
  if (record.modRevision < stored.modRevision) return settings;
  const { removal: _refuted, ...others } = settings;
  return others;
}

const unset: NodeSettings = { cordoned: false, draining: false, labels: {} };

function decode(value: string, key: string, node: NodeId): NodeSettings {
  try {
    return nodeSettingsCodec.decode(value, key);
  } catch (cause) {
    // Perhaps a later version's: overwriting it would lose what that version knows.
    throw new AgentError('CONFLICT', `Cannot change node "${node}": expected to understand its settings`, { cause });
  }
}
