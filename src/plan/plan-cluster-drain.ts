import type { WorkloadName } from '../domain/ids.ts';
import type { NodeView } from './cluster-view.ts';
import type { PlanContext } from './plan-cluster-context.ts';
import { instantMs } from './since.ts';

/**
 * True once a drain's deadline is over and an operator wanted that to end what is left. Asks for another look when it comes. A
 * deadline that can't be read never comes.
 */
export function isDrainForced(ctx: PlanContext, workload: WorkloadName, node: NodeView | undefined): boolean {
  const { draining = false, drain } = node?.settings ?? {};
  if (!draining || drain?.force !== true) return false;
  const [untilMs, nowMs] = [instantMs(drain.deadline), instantMs(ctx.view.nowIso)];
  if (untilMs === undefined || nowMs === undefined) return false;
  if (untilMs > nowMs) ctx.wakeIn(workload, untilMs - nowMs);
  return untilMs <= nowMs;
}

/** Why something is stopped at a drain's deadline. */
export const forcedReason = "the drain's deadline is over";
