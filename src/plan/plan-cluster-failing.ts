import { DEFAULT_RESCHEDULE } from '../domain/policies.ts';
import type { Failing, ReschedulePolicy } from '../domain/spec.ts';
import { StepDraft } from './plan-cluster-draft.ts';
import { isDown } from './plan-cluster-fitness.ts';
import { canMoveAway } from './plan-cluster-move.ts';
import type { Copy, Subject } from './plan-cluster-subject.ts';
import { fenceOthers, findTarget } from './plan-cluster-target.ts';
import { sinceMs } from './since.ts';

/** An instance that has been well for so long has its failures before forgiven. */
const FORGIVEN_AFTER_MS = 600_000;

/**
 * Moves an instance on that keeps failing where it is, however often its node restarts it: no sooner than the delay after the
 * last such move, and only where it isn't. `well`: nothing of the kind; `stays`: it must stay, and the record says why.
 */
export function planFailing(subject: Subject, current: Copy): 'well' | 'moved' | 'stays' {
  const { ctx, name, workload, mode } = subject;
  const policy = workload.value.reschedule ?? DEFAULT_RESCHEDULE;
  if (policy === 'never' || !canMoveAway(subject) || !keepsFailing(current, policy)) return 'well';
  if (!isDown(current)) return 'stays'; // it may come to be well this time
  const waitMs = delayLeftMs(policy, subject.instance.record?.value.failing, ctx.view.nowIso);
  if (waitMs > 0) {
    ctx.wakeIn(name, waitMs);
    return 'stays';
  }
  const where = ctx.nodeName(current.node);
  const target = findTarget({ ...subject, current: undefined }, current.node);
  if ('failure' in target) {
    const reason = `keeps failing on ${where}, and cannot be tried elsewhere: ${target.failure.reason}`;
    return new StepDraft(subject).pend(reason, target.failure.nodes).emit('wait', reason) ? 'moved' : 'stays';
  }
  const reason = movedReason(where, current);
  if (mode === 'keep' && workload.value.moveOrder === 'start-first') {
    new StepDraft(subject)
      .run(target.node.id, reason)
      .stop(current, reason, true)
      .noteFailing(current.node)
      .move(current.node, target.node.id, reason)
      .emit('move', reason);
  } else new StepDraft(subject).stop(current, reason).noteFailing(current.node).emit('stop-to-move', reason);
  return 'moved';
}

/** It was ordered to stop only to be tried elsewhere. */
export function wasStoppedToMove(subject: Subject, current: Copy): boolean {
  return canMoveAway(subject) && subject.instance.record?.value.failing?.nodes.at(-1) === current.node;
}

/** It has stopped where it kept failing: it starts elsewhere, or where it was, should nothing else fit any more. */
export function planFailingRelocation(subject: Subject, current: Copy): void {
  const where = subject.ctx.nodeName(current.node);
  const target = findTarget(subject, current.node);
  if ('failure' in target) {
    const reason = `nothing but ${where} takes it: ${target.failure.reason}`;
    new StepDraft(subject).run(current.node, reason).emit('resume', reason);
    return;
  }
  const reason = movedReason(where, current);
  const { id } = target.node;
  const draft = new StepDraft(subject).drop(current).run(id, reason).move(current.node, id, reason);
  fenceOthers({ ...subject, current: undefined }, id, draft, reason);
  draft.emit('move', reason);
}

/** Forgets where the instance has failed, once it has been well for long. True: that's what is to be written now. */
export function planForgiveness(subject: Subject, current: Copy): boolean {
  const { ctx, name, instance } = subject;
  if (instance.record?.value.failing === undefined || !current.isHealthy) return false;
  const { since, startedAt } = current.status ?? {};
  const { nowIso } = ctx.view;
  const wellForMs = Math.min(sinceMs(since, nowIso), startedAt === undefined ? Infinity : sinceMs(startedAt, nowIso));
  if (wellForMs < FORGIVEN_AFTER_MS) {
    ctx.wakeIn(name, FORGIVEN_AFTER_MS - wellForMs);
    return false;
  }
  return new StepDraft(subject).forgive().emit('tidy', 'it is well, where it failed before does not count any more');
}

/** It isn't well, after as many failed restarts in a row as its workload allows, or nothing restarts it any more. */
function keepsFailing({ status, isAnswered, isHealthy }: Copy, { afterRestarts }: ReschedulePolicy): boolean {
  if (status === undefined || !isAnswered || isHealthy) return false;
  return status.gaveUp === true || (status.failures ?? 0) > afterRestarts;
}

function delayLeftMs(policy: ReschedulePolicy, failing: Failing | undefined, nowIso: string): number {
  if (failing === undefined) return 0;
  const { delayMs, maxDelayMs } = policy;
  const doublings = Math.min(failing.moves - 1, 40); // 2^40 of any delay is above any limit
  return Math.min(maxDelayMs, delayMs * 2 ** doublings) - sinceMs(failing.at, nowIso);
}

function movedReason(where: string, { status }: Copy): string {
  const why = status?.lastError === undefined ? '' : `: ${status.lastError.slice(0, 200)}`;
  return `keeps failing on ${where}${why}`;
}
