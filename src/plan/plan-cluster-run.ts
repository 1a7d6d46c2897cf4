import { evictionReason } from './placement/choose-node.ts';
import { StepDraft } from './plan-cluster-draft.ts';
import { standingOf } from './plan-cluster-loss.ts';
import { planReplacement } from './plan-cluster-lost.ts';
import { canMoveAway, planMove, planRelocation } from './plan-cluster-move.ts';
import { planOthers } from './plan-cluster-others.ts';
import { planPlacement } from './plan-cluster-place.ts';
import type { Copy, Subject } from './plan-cluster-subject.ts';
import { unsafeNodes } from './plan-cluster-target.ts';
import { planUpdate } from './plan-cluster-update.ts';

/** Decides about an instance that is to run: at most one step. */
export function planRun(subject: Subject): void {
  const { current } = subject;
  if (current === undefined) planPlacement(subject);
  else if (current.standing === 'present') planPresent(subject, current);
  else if (subject.isGlobal)
    return; // it belongs to its node, whatever becomes of that
  else if (current.standing === 'missing') planMissing(subject, current);
  else planReplacement(subject, current);
}

function planPresent(subject: Subject, current: Copy): void {
  const why = evictionOf(subject, current);
  if (current.assignment.value.order === 'stop') {
    planStopped(subject, current, why);
    return;
  }
  if (why !== undefined && planMove(subject, current, why)) return;
  if (planUpdate(subject, current)) return;
  planOthers(subject, current, why !== undefined);
}

/** It was ordered to stop, to move away or because it wasn't wanted for a while, and is wanted. */
function planStopped(subject: Subject, current: Copy, why: string | undefined): void {
  if (why !== undefined && canMoveAway(subject)) {
    if (current.isStopped) planRelocation(subject, current, why);
    return;
  }
  const elsewhere = [...unsafeNodes(subject)].some((node) => node !== current.node);
  if (elsewhere) return;
  new StepDraft(subject).run(current.node, 'wanted again').emit('resume', 'wanted again');
}

/** A `stop` instance whose node was cut off before it knew: it isn't known to have stopped, however long that lasts. */
function planMissing(subject: Subject, current: Copy): void {
  if (standingOf(current.view, subject.mode) !== 'lost') return;
  const name = subject.ctx.nodeName(current.node);
  const reason = `${name} is lost, and was to keep it running when it lost the store`;
  new StepDraft(subject).pend(reason, {}).emit('wait', reason);
}

function evictionOf({ ctx, seeker, isGlobal }: Subject, { view }: Copy): string | undefined {
  if (isGlobal || view === undefined) return undefined;
  return evictionReason(seeker, view, ctx.usage(view));
}
