import type { InstanceKey } from '../domain/ids.ts';
import type { DesiredInstance } from '../plan/plan-node.ts';
import type { StatusesInput } from './make-statuses.ts';

/** What the orders ask for. One that can't be read asks for nothing: what is there stays, whether it runs or has ended. */
export function makeDesired(
  input: Pick<StatusesInput, 'orders' | 'unreadableOrders' | 'readings' | 'observation'>,
): Map<InstanceKey, DesiredInstance> {
  const { orders, unreadableOrders, readings, observation } = input;
  const desired = new Map<InstanceKey, DesiredInstance>();
  for (const [key, { assignment }] of orders) {
    const reading = readings.get(key);
    const specHash = reading?.kind === 'read' ? reading.spec.hash : undefined;
    desired.set(key, { key, order: assignment.order, disconnect: assignment.disconnect, specHash });
  }
  for (const key of unreadableOrders.keys()) {
    const disconnect = observation.instances.get(key)?.disconnect ?? 'keep';
    desired.set(key, { key, order: 'run', disconnect, specHash: undefined });
  }
  return desired;
}
