import { readInstanceState } from '../cluster/desired-read.ts';
import { AgentError, errorCodeOf } from '../domain/errors.ts';
import { type InstanceKey, type NodeId, splitInstanceKey } from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import type { ApiDeps } from './api-deps.ts';

/**
 * The node that runs an instance; undefined for this one. `CONFLICT` where it's on none, or on one that can't be asked. While the store
 * can't be asked, this node is all there is.
 */
export async function findExecPlace(deps: ApiDeps, key: InstanceKey, signal: AbortSignal): Promise<NodeId | undefined> {
  if (!deps.node.state().joined) return undefined;
  const state = await readInstanceState(deps.store, key, signal).catch((error: unknown) => {
    if (errorCodeOf(error) !== 'UNAVAILABLE') throw error;
    return undefined;
  });
  const record = state?.instancesOf(splitInstanceKey(key).workload).get(key);
  if (state === undefined || record === undefined) return undefined; // an orphan, or nothing: the runtime knows
  const name = displayName(key);
  const copy = record.copies.find(({ role }) => role === 'current') ?? record.copies[0];
  if (copy === undefined) {
    const why = record.pending === undefined ? '' : `, it is pending: ${record.pending.reason}`;
    throw new AgentError('CONFLICT', `Cannot run a command in "${name}": expected it to run${why}`);
  }
  if (copy.node === deps.node.id) return undefined;
  if (deps.peers !== undefined) return copy.node;
  const node = state.nodes.get(copy.node)?.record;
  const where = node === undefined ? copy.node : `${node.hostname} (${node.advertise})`;
  const message = `Cannot run a command in "${name}" here: it runs on ${where}: run "muster exec ${name}" there`;
  throw new AgentError('CONFLICT', message);
}
