import { delayReason, isPatient } from './plan-cluster-delay.ts';
import { StepDraft } from './plan-cluster-draft.ts';
import { lostInMs } from './plan-cluster-loss.ts';
import { canMoveAway, planRelocation } from './plan-cluster-move.ts';
import { planGoOn } from './plan-cluster-return.ts';
import type { Copy, Subject } from './plan-cluster-subject.ts';
import { fenceOthers, findTarget } from './plan-cluster-target.ts';

/** The copy's node is gone, or about to go: starts the instance elsewhere as soon as its mode allows. */
export function planGone(subject: Subject, current: Copy): void {
  const { ctx, isGlobal } = subject;
  if (isGlobal) return; // it belongs to its node, whatever becomes of that
  const name = ctx.nodeName(current.node);
  if (!canMoveAway(subject)) {
    if (current.standing === 'lost') planWait(subject, `its data is on ${name}, which is lost`, {});
  } else if (current.isStopped) planRelocation(subject, current, current.isForgotten ? 'was removed' : 'is going away');
  else if (current.standing === 'leaving') planLeaving(subject, current, `${name} is shutting down`);
  else if (current.standing === 'lost') planLost(subject, current, name);
  else planMissing(subject, current, name);
}

/** Replaced as soon as its workload says; until then it waits for its node. */
function planLost(subject: Subject, current: Copy, name: string): void {
  const reason = `${name} lost for ${absenceOf(current)}`;
  if (planGoOn(subject, current, reason)) return;
  const delay = delayReason(subject, current.view, name);
  if (delay === undefined) planReplacement(subject, current, reason);
  else planWait(subject, delay, {});
}

/**
 * `keep`: starts elsewhere at once. `stop`: its node ends it anyway, but only the receipt of an order proves that it has. What
 * would rather wait for its node isn't touched.
 */
function planLeaving(subject: Subject, current: Copy, reason: string): void {
  if (planGoOn(subject, current, reason) || isPatient(subject)) return;
  if (subject.mode === 'keep') planReplacement(subject, current, reason);
  else if (current.assignment.value.order === 'run') {
    new StepDraft(subject).stop(current, reason).emit('stop-to-move', reason);
  }
}

/** A new copy elsewhere; what the old one's node does when it is back is in the same transaction. */
function planReplacement(subject: Subject, current: Copy, reason: string): void {
  const target = findTarget(subject);
  if ('failure' in target) {
    planWait(subject, `${placeOf(subject, current)}; ${target.failure.reason}`, target.failure.nodes);
    return;
  }
  const draft = new StepDraft(subject).run(target.node.id, reason).whileHoldIs();
  if (subject.mode === 'keep') {
    draft.supersede(current, true);
    if (current.standing === 'lost') draft.whilePresenceIs(current.node);
  }
  fenceOthers(subject, target.node.id, draft, reason);
  draft.move(current.node, target.node.id, reason).emit('replace', reason);
}

/** A `stop` instance whose node was cut off before it knew that: it isn't known to have stopped, however long that lasts. */
function planMissing(subject: Subject, current: Copy, name: string): void {
  const remainingMs = current.view === undefined ? undefined : lostInMs(current.view, subject.mode);
  if (remainingMs === undefined || remainingMs > 0) return;
  planWait(subject, `${name} is lost, and was told to keep it running when it loses the store`, {});
}

/** Why the instance isn't well where it is; without figures, as it's stored for as long as it lasts. */
function placeOf({ ctx }: Subject, { node, standing }: Copy): string {
  return `${ctx.nodeName(node)} ${standing === 'leaving' ? 'is shutting down' : 'is lost'}`;
}

function planWait(subject: Subject, reason: string, nodes: Readonly<Record<string, string>>): void {
  new StepDraft(subject).pend(reason, nodes).emit('wait', reason);
}

function absenceOf({ view }: Copy): string {
  return `${((view?.absentForMs ?? 0) / 1_000).toFixed(1)} s`;
}
