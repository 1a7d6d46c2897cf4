import { formatDurationMs } from '../domain/quantity.ts';
import type { NodeView } from './cluster-view.ts';
import { KEEP_LOST_AFTER_MS, lostAfterMs } from './plan-cluster-loss.ts';
import type { Subject } from './plan-cluster-subject.ts';
import { sinceMs } from './since.ts';

/** True when the workload would rather wait for its node for a while. */
export function isPatient({ workload }: Subject): boolean {
  const { replaceAfterMs = 0 } = workload.value.disconnect;
  return replaceAfterMs === 'never' || replaceAfterMs > 0;
}

/**
 * Why the instance of a lost node isn't replaced yet, or undefined when it may be. Free of figures that change: it's stored.
 * Asks for another look when its time has come.
 */
export function delayReason(subject: Subject, node: NodeView | undefined, name: string): string | undefined {
  const { replaceAfterMs = 0 } = subject.workload.value.disconnect;
  if (replaceAfterMs === 'never') {
    return `${name} is lost, and replaceAfter is never: apply it with another replaceAfter to have it replaced`;
  }
  if (replaceAfterMs === 0) return undefined;
  const leftMs = replaceAfterMs - lostForMs(subject, node);
  if (leftMs <= 0) return undefined;
  subject.ctx.wakeIn(subject.name, leftMs);
  return `${name} is lost; it is replaced once that has lasted for ${formatDurationMs(replaceAfterMs)}`;
}

/** How long its node has counted as lost: as this leader has seen, or as the verdict of an earlier one says. */
function lostForMs({ mode, ctx }: Subject, node: NodeView | undefined): number {
  if (node?.absentForMs === undefined) return 0;
  const boundMs = lostAfterMs(mode, node.ttlMs);
  const seenMs = node.absentForMs - boundMs;
  if (node.lostSince === undefined) return seenMs;
  return Math.max(seenMs, sinceMs(node.lostSince, ctx.view.nowIso) - (boundMs - KEEP_LOST_AFTER_MS));
}
