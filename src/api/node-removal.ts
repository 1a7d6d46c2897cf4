import { readState } from '../cluster/desired-read.ts';
import type { DesiredState } from '../cluster/desired-state.ts';
import { changeNodeSettings } from '../cluster/node-settings.ts';
import { AgentError } from '../domain/errors.ts';
import type { NodeId } from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import type { NodeRemovalAnswer } from '../wire/node-settings-answers.ts';
import type { ApiDeps } from './api-deps.ts';
import { nodeRef } from './copy-rows.ts';
import { resolveNode } from './resolve-name.ts';

/** A `stop` instance has ended so many TTLs after its node's presence went; the leader takes it for lost after 1.1. */
const ENDED_AFTER_TTLS = 1.5;

/**
 * `DELETE /v1/nodes/:id?force=`: a node that is gone for good is forgotten, by the leader, once what it ran has moved on. `CONFLICT`
 * while it's there; and while something that may run only once might still run there, unless `force` says that its machine is dead.
 */
export async function removeNode(
  deps: ApiDeps,
  typed: string,
  force: boolean,
  signal: AbortSignal,
): Promise<NodeRemovalAnswer> {
  const { store, clock, log } = deps;
  const { state } = await readState(store, ['nodes', 'workloads', 'assignments', 'statuses'], signal);
  const node = resolveNode(state, typed);
  const now = clock.wallTime();
  refusePresent(state, node);
  if (!force) refuseUnsafe(state, node, now);
  const removal = { at: now.toISOString(), ...(force ? { force } : {}) };
  const done = await changeNodeSettings(
    store,
    node,
    (before) => {
      const isAsked = before.removal !== undefined && (before.removal.force === true || !force);
      return isAsked ? before : { ...before, removal };
    },
    signal,
  );
  if (done.changed) log.warn({ node, force }, 'node to be removed');
  return { node: nodeRef(state, node), changed: done.changed, force, revision: done.revision };
}

function refusePresent(state: DesiredState, node: NodeId): void {
  const { presence } = state.nodes.get(node) ?? {};
  if (presence === undefined) return;
  const { hostname } = nodeRef(state, node);
  throw new AgentError(
    'CONFLICT',
    `Cannot remove node "${hostname}": it is ${presence.state}; expected one that is gone for good: drain it and shut it down first`,
  );
}

function refuseUnsafe(state: DesiredState, node: NodeId, now: Date): void {
  const { hostname } = nodeRef(state, node);
  const refuse = (why: string) =>
    new AgentError('CONFLICT', `Cannot remove node "${hostname}": ${why}; force says that its machine is dead`);
  const { verdict, record } = state.nodes.get(node) ?? {};
  const risky = onlyOnce(state, node);
  if (risky.length === 0) return;
  const told = risky.find(({ outlives }) => outlives);
  if (told !== undefined) throw refuse(`${told.display} was told to keep running there when it loses the store`);
  const lostAt = verdict?.lostSince;
  const names = risky
    .map(({ display }) => display)
    .slice(0, 3)
    .join(', ');
  if (lostAt === undefined) throw refuse(`it has only just gone, and ${names} may still run there`);
  const boundMs = Math.max(ENDED_AFTER_TTLS * (state.settings?.ttlMs ?? 0), record?.handoverMs ?? 0);
  const leftMs = boundMs - (now.getTime() - instantMs(lostAt));
  if (leftMs > 0) throw refuse(`${names} may still run there for ${Math.ceil(leftMs / 1_000)} s`);
}

/** What may run only once, and isn't known to have ended there. */
function onlyOnce(state: DesiredState, node: NodeId): { readonly display: string; readonly outlives: boolean }[] {
  return state.names().flatMap((name) => {
    const mode = state.workloads.get(name)?.value.disconnect.mode;
    return [...state.copiesOf(name)].flatMap(([key, copies]) => {
      const order = copies.get(node)?.assignment?.value;
      const isRisky = order?.order === 'run' && (mode ?? order.disconnect) === 'stop';
      return isRisky ? [{ display: displayName(key), outlives: order.disconnect === 'keep' }] : [];
    });
  });
}

function instantMs(iso: string): number {
  try {
    return Temporal.Instant.from(iso).epochMilliseconds;
  } catch {
    return -Infinity; // what is stored may be anybody's text
  }
}
