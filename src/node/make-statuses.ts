import type { InstanceKey } from '../domain/ids.ts';
import { runtimeOf } from '../domain/runtime-of.ts';
import type { InstanceStatus, ObservedInstance } from '../domain/status.ts';
import { isAlive } from '../plan/plan-node.ts';
import type { Remembered } from './instance-memory.ts';
import { type AnsweredOrder, makeStatus } from './make-status.ts';
import type { Observation } from './observer.ts';
import type { Order, UnreadableOrder } from './order-book.ts';
import type { SpecReading } from './spec-reader.ts';

/** What a pass knows. */
export interface StatusesInput {
  readonly orders: ReadonlyMap<InstanceKey, Order>;
  readonly unreadableOrders: ReadonlyMap<InstanceKey, UnreadableOrder>;
  readonly readings: ReadonlyMap<InstanceKey, SpecReading>;
  readonly observation: Observation;
  /** An action ended while the runtimes were read: what they showed may be from before its end. The next pass knows. */
  readonly isOutOfDate: (key: InstanceKey) => boolean;
  readonly memory: (key: InstanceKey) => Remembered | undefined;
  readonly previous: (key: InstanceKey) => InstanceStatus | undefined;
  /** The `stop` instances must end now. */
  readonly mustStop: boolean;
  readonly bootId?: string | undefined;
  readonly nowIso: string;
}

/** The receipts of everything that is ordered or seen on this node. */
export function makeStatuses(input: StatusesInput): Map<InstanceKey, InstanceStatus> {
  const { orders, unreadableOrders, readings, observation } = input;
  const statuses = new Map<InstanceKey, InstanceStatus>();
  for (const key of new Set([...orders.keys(), ...unreadableOrders.keys(), ...observation.instances.keys()])) {
    const order = orders.get(key);
    const unreadable = unreadableOrders.get(key);
    const reading = readings.get(key);
    const observed = observation.instances.get(key);
    const previous = input.previous(key);
    if (isLeftOver(input, key)) continue;
    if (input.isOutOfDate(key)) {
      if (previous !== undefined) statuses.set(key, previous);
      continue;
    }
    const status = makeStatus({
      order:
        unreadable === undefined
          ? order && answered(order)
          : { revision: unreadable.revision, spec: previous?.spec ?? 0, order: 'run' },
      isOutdated: isOutdated(order, reading, observed),
      mustStop: input.mustStop && (order?.assignment.disconnect ?? observed?.disconnect) === 'stop',
      observed,
      memory: input.memory(key),
      previous,
      unreadable: unreadable?.error ?? whyUnreadable(key, observation),
      specError: reading?.kind === 'failed' && observed === undefined ? reading.error : undefined,
      bootId: input.bootId,
      nowIso: input.nowIso,
    });
    statuses.set(key, status);
  }
  return statuses;
}

function answered({ revision, assignment: { spec, restart, order, launch } }: Order): AnsweredOrder {
  const rest = { ...(restart === undefined ? {} : { restart }), ...(launch === undefined ? {} : { launch }) };
  return { revision, spec, order, ...rest };
}

/** What is there runs another spec than the order's, or in another mode. */
function isOutdated(
  order: Order | undefined,
  reading: SpecReading | undefined,
  observed: ObservedInstance | undefined,
) {
  if (reading?.kind !== 'read' || observed === undefined) return false;
  return observed.specHash !== reading.spec.hash || observed.disconnect !== order?.assignment.disconnect;
}

/** It has ended, nothing orders it, and it's about to be removed: that is nobody's news, unless it can't be. */
function isLeftOver(input: StatusesInput, key: InstanceKey): boolean {
  const { orders, unreadableOrders, observation } = input;
  if (orders.has(key) || unreadableOrders.has(key) || whyUnreadable(key, observation) !== undefined) return false;
  return !isAlive(observation.instances.get(key)) && input.memory(key)?.lastError === undefined;
}

function whyUnreadable(key: InstanceKey, observation: Observation): string | undefined {
  const kind = runtimeOf(key);
  if (observation.readable.has(kind)) return undefined;
  return `Cannot reach ${kind}: ${observation.unreadable.get(kind) ?? 'expected it on this node'}`;
}
