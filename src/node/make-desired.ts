import type { InstanceKey } from '../domain/ids.ts';
import type { DesiredInstance } from '../plan/plan-node.ts';
import type { Observation } from './observer.ts';
import type { Orders } from './order-book.ts';
import type { SpecReading } from './spec-reader.ts';

/** What is ordered, the specs it names, and what is there. */
export interface DesiredInput extends Orders {
  readonly readings: ReadonlyMap<InstanceKey, SpecReading>;
  readonly observation: Pick<Observation, 'instances'>;
}

/** What the orders ask for. One that can't be read asks for nothing: what is there stays, whether it runs or has ended. */
export function makeDesired({
  readable,
  unreadable,
  readings,
  observation,
}: DesiredInput): Map<InstanceKey, DesiredInstance> {
  const desired = new Map<InstanceKey, DesiredInstance>();
  for (const [key, { assignment }] of readable) {
    const reading = readings.get(key);
    const specHash = reading?.kind === 'read' ? reading.spec.hash : undefined;
    desired.set(key, { key, order: assignment.order, disconnect: assignment.disconnect, specHash });
  }
  for (const key of unreadable.keys()) {
    const disconnect = observation.instances.get(key)?.disconnect ?? 'keep';
    desired.set(key, { key, order: 'run', disconnect, specHash: undefined });
  }
  return desired;
}
