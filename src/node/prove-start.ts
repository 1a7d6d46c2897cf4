import type { Layout } from '../cluster/layout.ts';
import { AgentError } from '../domain/errors.ts';
import type { NodeId } from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import type { Kv, Revision } from '../etcd/port.ts';
import type { NodeRights } from './node-rights.ts';
import type { Order } from './order-book.ts';

export interface ProveStartOptions {
  readonly kv: Pick<Kv, 'commit'>;
  readonly layout: Layout;
  readonly node: NodeId;
  readonly rights: Pick<NodeRights, 'maySafelyRun' | 'guard' | 'epoch'>;
}

/** Bits of a token that hold a revision; the epoch is above them. */
const REVISION_BITS = 48n;

/**
 * The right to start an instance, as its fencing token. A `stop` instance's order must stand in the store now, in a transaction that
 * also compares this node's presence: a node that was lost and is back may not have seen yet that another one runs it. Each has
 * a revision of its own, so a later start has the greater token wherever it is. Rejects with `STALE` where it doesn't stand.
 */
export async function proveStart(options: ProveStartOptions, order: Order, signal: AbortSignal): Promise<string> {
  const { kv, layout, node, rights } = options;
  if (order.assignment.disconnect === 'keep') return makeToken(order.epoch ?? rights.epoch, order.revision);
  const { epoch } = rights;
  const presence = rights.guard();
  if (presence === undefined || !rights.maySafelyRun()) throw stale(order, 'this node has lost its right');
  const assignment = { key: layout.assignment(node, order.key), modRevision: order.revision };
  const write = { put: layout.start(node), value: order.key };
  const { applied, revision } = await kv.commit({ compares: [presence, assignment], writes: [write] }, signal);
  if (!applied) throw stale(order, 'its order is another by now, or this node has lost its right');
  if (!rights.maySafelyRun()) throw stale(order, 'this node has lost its right');
  return makeToken(epoch, revision);
}

/** Decimal text: it's wider than a number. */
export function makeToken(epoch: number, revision: Revision): string {
  return String((BigInt(epoch) << REVISION_BITS) + BigInt(revision));
}

function stale(order: Order, why: string): AgentError {
  return new AgentError('STALE', `Cannot start "${displayName(order.key)}": ${why}`);
}
