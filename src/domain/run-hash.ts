import { type InstanceKey, type Slot, splitInstanceKey } from './ids.ts';
import type { Workload } from './spec.ts';

/**
 * What a copy is told apart by on its node: the spec's hash, and which ordered restart it is of. A copy of another restart is replaced
 * as one of another spec is.
 */
export function makeRunHash(specHash: string, restart: number | undefined): string {
  return restart === undefined ? specHash : `${specHash}.${restart}`;
}

/** True where two copies differ by an ordered restart alone. */
export function isSameSpec(a: string, b: string): boolean {
  return a.split('.')[0] === b.split('.')[0];
}

/** The last restart that was ordered of this instance: grows with each; undefined before the first. */
export function restartOf({ restart }: Pick<Workload, 'restart'>, slot: Slot): number | undefined {
  return restart?.slots[slot] ?? restart?.all;
}

/** {@link restartOf} by the instance's key. */
export function restartOfInstance(workload: Pick<Workload, 'restart'>, key: InstanceKey): number | undefined {
  return restartOf(workload, splitInstanceKey(key).slot);
}
