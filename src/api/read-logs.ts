import { readInstanceState } from '../cluster/desired-read.ts';
import type { DesiredState } from '../cluster/desired-state.ts';
import { AgentError, errorCodeOf } from '../domain/errors.ts';
import { type InstanceKey, type NodeId, splitInstanceKey } from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import { runtimeOf } from '../domain/runtime-of.ts';
import type { LogOptions } from '../runtime/port.ts';
import type { LogEntry } from '../wire/answers.ts';
import type { ApiDeps } from './api-deps.ts';

/**
 * An instance's lines, from this node's runtime. `CONFLICT` naming the node when it runs elsewhere. While the store can't be asked,
 * this node's own lines are all there is, and are given.
 */
export async function openLogs(
  deps: ApiDeps,
  key: InstanceKey,
  options: LogOptions,
  signal: AbortSignal,
): Promise<AsyncIterable<LogEntry>> {
  const runtime = deps.runtimes.find(({ kind }) => kind === runtimeOf(key));
  if (runtime === undefined) {
    throw new AgentError(
      'UNAVAILABLE',
      `Cannot read the logs of "${displayName(key)}": this node has no ${runtimeOf(key)}`,
    );
  }
  const state = await readPlace(deps, key, signal);
  if (state !== undefined) refuseElsewhere(state, key, deps.node.id);
  return runtime.logs(key, options, signal);
}

async function readPlace(deps: ApiDeps, key: InstanceKey, signal: AbortSignal): Promise<DesiredState | undefined> {
  if (!deps.node.state().joined) return undefined;
  try {
    return await readInstanceState(deps.store, key, signal);
  } catch (error) {
    if (errorCodeOf(error) !== 'UNAVAILABLE') throw error;
    return undefined;
  }
}

/** A copy here, or one that was here last, has its lines here. */
function refuseElsewhere(state: DesiredState, key: InstanceKey, self: NodeId): void {
  const record = state.instancesOf(splitInstanceKey(key).workload).get(key);
  if (record === undefined) return; // an orphan, or nothing: the runtime knows
  const others = [...record.copies].sort((a) => (a.role === 'current' ? -1 : 1)).map(({ node }) => node);
  if (others.includes(self)) return;
  const elsewhere = others[0] ?? record.lastNode;
  if (elsewhere === undefined || elsewhere === self) {
    if (record.pending === undefined) return;
    throw new AgentError(
      'CONFLICT',
      `Cannot read the logs of "${displayName(key)}": it is pending: ${record.pending.reason}`,
    );
  }
  const node = state.nodes.get(elsewhere)?.record;
  const name = node === undefined ? elsewhere : `${node.hostname} (${node.advertise})`;
  const verb = others.length > 0 ? 'runs' : 'ran';
  const message = `Cannot read the logs of "${displayName(key)}" here: it ${verb} on ${name}: run "muster logs ${displayName(key)}" there`;
  throw new AgentError('CONFLICT', message);
}
