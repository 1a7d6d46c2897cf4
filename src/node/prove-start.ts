import type { Layout } from '../cluster/layout.ts';
import { AgentError } from '../domain/errors.ts';
import type { NodeId } from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import type { Kv } from '../etcd/port.ts';
import type { NodeRights } from './node-rights.ts';
import type { Order } from './order-book.ts';

export interface ProveStartOptions {
  readonly kv: Pick<Kv, 'get'>;
  readonly layout: Layout;
  readonly node: NodeId;
  readonly rights: Pick<NodeRights, 'maySafelyRun'>;
}

/**
 * Before a `stop` instance starts: its order must stand in the store now, by a linearizable read, while this node has its right.
 * A node that was lost and is back may not have seen yet that another one runs it. Rejects with `STALE` where it doesn't.
 */
export async function proveStart(
  { kv, layout, node, rights }: ProveStartOptions,
  order: Order,
  signal: AbortSignal,
): Promise<void> {
  if (order.assignment.disconnect === 'keep') return;
  const { kv: found } = await kv.get(layout.assignment(node, order.key), signal);
  if (found?.modRevision === order.revision && rights.maySafelyRun()) return;
  throw new AgentError('STALE', `Cannot start "${displayName(order.key)}": its order is another by now`);
}
