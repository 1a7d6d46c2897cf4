import { evictionReason } from './placement/choose-node.ts';
import { StepDraft } from './plan-cluster-draft.ts';
import { isDrainForced } from './plan-cluster-drain.ts';
import { planFailing, planFailingRelocation, planForgiveness, wasStoppedToMove } from './plan-cluster-failing.ts';
import { planGone } from './plan-cluster-lost.ts';
import { canMoveAway, planMove, planRelocation } from './plan-cluster-move.ts';
import { planOthers } from './plan-cluster-others.ts';
import { planPlacement } from './plan-cluster-place.ts';
import { planReturn } from './plan-cluster-return.ts';
import type { Copy, Subject } from './plan-cluster-subject.ts';
import { unsafeNodes } from './plan-cluster-target.ts';
import { planUpdate } from './plan-cluster-update.ts';

/** Decides about an instance that is to run: at most one step. */
export function planRun(subject: Subject): void {
  const { current } = subject;
  if (current === undefined) planPlacement(subject);
  else if (current.standing === 'present') planPresent(subject, current);
  else planGone(subject, current);
}

function planPresent(subject: Subject, current: Copy): void {
  const why = evictionOf(subject, current);
  if (current.assignment.value.order === 'stop') {
    planStopped(subject, current, why);
    return;
  }
  if (why !== undefined && planMove(subject, current, why)) return;
  if (planUpdate(subject, current) || planReturn(subject, current) || planForgiveness(subject, current)) return;
  const failing = planFailing(subject, current);
  if (failing === 'stays') planOthers(subject, current, true);
  else if (failing === 'well') planOthers(subject, current, why !== undefined);
}

/** It was ordered to stop, to move away or because it wasn't wanted for a while, and is wanted. */
function planStopped(subject: Subject, current: Copy, why: string | undefined): void {
  const mustLeave = canMoveAway(subject) || isDrainForced(subject.ctx, subject.name, current.view);
  if (why !== undefined && mustLeave) {
    if (current.isStopped) planRelocation(subject, current, why);
    return;
  }
  if (wasStoppedToMove(subject, current)) {
    if (current.isStopped) planFailingRelocation(subject, current);
    return;
  }
  const mayRunElsewhere = [...unsafeNodes(subject)].some((node) => node !== current.node);
  if (mayRunElsewhere) planOthers(subject, current, why !== undefined);
  else new StepDraft(subject).run(current.node, 'wanted again').emit('resume', 'wanted again');
}

function evictionOf({ ctx, seeker, isGlobal }: Subject, { view }: Copy): string | undefined {
  if (isGlobal || view === undefined) return undefined;
  return evictionReason(seeker, view, ctx.usage(view));
}
