import type { Phase } from '../domain/status.ts';
import type { Copy, Subject } from './plan-cluster-subject.ts';
import { sinceMs } from './since.ts';

/** A copy that isn't healthy by then is taken for one that won't be. */
export const PATIENCE_MS = 300_000;

/** What a copy's node says of it: `well`; `coming`: not yet; `unfit`: it has failed, or hasn't come to be well in time. */
export type Fitness = { readonly kind: 'well' | 'unfit' } | { readonly kind: 'coming'; readonly forMs: number };

/** How a copy that is ordered to run fares, on a node that is present. One whose node hasn't answered yet is `coming`. */
export function fitnessOf({ ctx }: Subject, copy: Copy): Fitness {
  const { status } = copy;
  if (copy.isHealthy) return { kind: 'well' };
  if (copy.isUnheard) return { kind: 'coming', forMs: copy.view?.reportsInMs || Infinity };
  if (!copy.isAnswered || status === undefined) return { kind: 'coming', forMs: Infinity };
  if (isDown(copy)) return { kind: 'unfit' };
  const forMs = PATIENCE_MS - sinceMs(status.since, ctx.view.nowIso);
  return forMs <= 0 ? { kind: 'unfit' } : { kind: 'coming', forMs };
}

/** Its node says that it has failed, though it may be about to restart it. */
export function isDown({ isAnswered, status }: Copy): boolean {
  if (!isAnswered || status === undefined) return false;
  // A unit that systemd starts again after a good end is no worse for that.
  return status.phase === 'failed' || (status.unit?.sub === 'auto-restart' && status.lastError !== undefined);
}

/** How long a copy still has to become healthy: from its order, and from its present phase; one that has failed, no longer. */
export function patienceLeftMs({ ctx }: Subject, copy: Copy): number {
  if (isDown(copy)) return 0;
  const { assignment, status, isAnswered } = copy;
  const { nowIso } = ctx.view;
  const orderedForMs = sinceMs(assignment.value.at, nowIso);
  const phaseForMs = isAnswered ? sinceMs(status?.since, nowIso) : Infinity;
  return PATIENCE_MS - Math.min(orderedForMs, phaseForMs);
}

/** How long until its order is so old that it should have come to be well, whatever happened since. */
export function orderPatienceLeftMs({ ctx }: Subject, { assignment }: Copy): number {
  return PATIENCE_MS - sinceMs(assignment.value.at, ctx.view.nowIso);
}

/** Of two copies neither of which is well, the higher one does more. */
export function rankOf({ isAnswered, status }: Copy): number {
  return isAnswered && status !== undefined ? ranks[status.phase] : 1;
}

const ranks: Readonly<Record<Phase, number>> = {
  running: 2,
  pending: 1,
  pulling: 1,
  starting: 1,
  stopping: 1,
  stopped: 0,
  failed: 0,
  orphan: 0,
  lost: 0,
};
