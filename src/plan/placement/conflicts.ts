import { matchesGlob } from '../../domain/glob.ts';
import type { InstanceKey } from '../../domain/ids.ts';
import type { Workload } from '../../domain/spec.ts';

/** What conflicts are decided by. */
export interface Party {
  readonly key: InstanceKey;
  readonly name: string;
  readonly workload: Workload | undefined;
  /** Ordered to run there and not superseded. */
  readonly current: boolean;
}

/** True when one of the two has a pattern that matches the other: it holds in both directions. */
export function conflictsWith(a: Party, b: Party): boolean {
  return matchesAny(a.workload?.placement.conflicts, b.name) || matchesAny(b.workload?.placement.conflicts, a.name);
}

/** True when `seeker` may not come to a node that has `other`: a conflict, or `other` would push it away again. */
export function mayNotJoin(seeker: Party, other: Party): boolean {
  return conflictsWith(seeker, other) || (other.current && replaces(other, seeker));
}

/**
 * True when both are on one node and it's `seeker` that has to leave: `other` replaces it, or they conflict and it's the younger.
 * Exactly one of two that conflict has to; two that would replace each other stay.
 */
export function mustYieldTo(seeker: Party, other: Party): boolean {
  if (!other.current) return false;
  if (replaces(other, seeker) && !replaces(seeker, other)) return true;
  return conflictsWith(seeker, other) && isYounger(seeker, other);
}

function replaces(a: Party, b: Party): boolean {
  return matchesAny(a.workload?.placement.replaces, b.name);
}

function isYounger(a: Party, b: Party): boolean {
  const aAt = a.workload?.changedAt ?? '';
  const bAt = b.workload?.changedAt ?? '';
  if (aAt !== bAt) return aAt > bAt;
  return a.key > b.key;
}

function matchesAny(patterns: readonly string[] | undefined, name: string): boolean {
  return patterns?.some((pattern) => matchesGlob(pattern, name)) ?? false;
}
