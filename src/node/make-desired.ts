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

/** What the disk asks for while the store doesn't answer. */
export function makeOfflineDesired(
  { readable, readings }: Omit<DesiredInput, 'unreadable' | 'observation'>,
  hasBegun: (key: InstanceKey) => boolean,
): Map<InstanceKey, DesiredInstance> {
  const desired = makeDesired({ readable, unreadable: new Map(), readings, observation: { instances: new Map() } });
  return new Map(
    [...desired].map(([key, one]) => [key, { ...one, offlineStart: hasBegun(key) ? 'begun' : 'due' }] as const),
  );
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
    const { order, disconnect, launch } = assignment;
    desired.set(key, { key, order, disconnect, specHash, ...(launch === undefined ? {} : { launch }) });
  }
  for (const key of unreadable.keys()) {
    const disconnect = observation.instances.get(key)?.disconnect ?? 'keep';
    desired.set(key, { key, order: 'run', disconnect, specHash: undefined });
  }
  return desired;
}
