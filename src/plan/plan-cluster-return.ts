import { evictionReason } from './placement/choose-node.ts';
import { StepDraft } from './plan-cluster-draft.ts';
import { forcedReason, isDrainForced } from './plan-cluster-drain.ts';
import { fitnessOf, isDown, orderPatienceLeftMs, patienceLeftMs, rankOf } from './plan-cluster-fitness.ts';
import type { Copy, Subject } from './plan-cluster-subject.ts';
import { isOutdated } from './plan-cluster-update.ts';
import { instantMs } from './since.ts';

/**
 * Has an older copy of a `keep` instance count again: one that `onReturn` prefers to its replacement, or one that is well while
 * its replacement fails. The other is left running until this one is healthy. False: all stays as it is.
 */
export function planReturn(subject: Subject, current: Copy): boolean {
  if (subject.mode === 'stop' || subject.isGlobal || subject.others.length === 0) return false;
  const able = subject.others.filter((other) => canTakeOver(subject, other));
  const preferred = choosePreferred(subject, current, able);
  if (preferred !== undefined) {
    const { onReturn = 'keep-replacement' } = subject.workload.value.disconnect;
    const reason = `${subject.ctx.nodeName(preferred.node)} is back, and onReturn is ${onReturn}`;
    return reinstate(subject, current, { copy: preferred, reason });
  }
  if (current.isHealthy || current.isUnheard) return false;
  return planRescue(subject, current, able) || planBetter(subject, current);
}

/** The copy that counts is on a node that has gone: an older one that is well goes on for it. False: there's none. */
export function planGoOn(subject: Subject, current: Copy, why: string): boolean {
  if (subject.mode === 'stop' || subject.isGlobal) return false;
  const healthy = subject.others.filter((other) => canTakeOver(subject, other) && !isOutdated(subject, other));
  const [copy] = healthy.sort(compareAge);
  if (copy === undefined) return false;
  const reason = `${why}, and the copy on ${subject.ctx.nodeName(copy.node)} is healthy`;
  return reinstate(subject, current, { copy, reason });
}

/** Why a replaced or left copy may end now, or undefined while it's still needed, or may yet be the one that survives. */
export function endReason(subject: Subject, current: Copy, other: Copy): string | undefined {
  const where = subject.ctx.nodeName(current.node);
  if (subject.mode === 'stop') {
    return current.assignment.value.order === 'run' ? `runs on ${where}` : `must end before it runs on ${where}`;
  }
  if (other.standing !== 'present') return undefined;
  if (isDrainForced(subject.ctx, subject.name, other.view))
    return `${subject.ctx.nodeName(other.node)}: ${forcedReason}`;
  if (!current.isHealthy)
    return isHopeless(subject, current, other) ? `is well nowhere; goes on on ${where}` : undefined;
  if (mayYetWin(subject, current, other)) return undefined;
  if (!other.isReplaced) return `runs on ${where}`;
  const { onReturn = 'keep-replacement' } = subject.workload.value.disconnect;
  return `${subject.ctx.nodeName(other.node)} is back; by ${onReturn} the copy on ${where} stays`;
}

/** It's well, on a node that it needn't leave. */
function canTakeOver({ ctx, seeker }: Subject, { standing, assignment, isHealthy, view }: Copy): boolean {
  if (standing !== 'present' || assignment.value.order !== 'run' || !isHealthy || view === undefined) return false;
  return evictionReason(seeker, view, ctx.usage(view)) === undefined;
}

function choosePreferred(subject: Subject, current: Copy, able: readonly Copy[]): Copy | undefined {
  const { onReturn } = subject.workload.value.disconnect;
  // What has to be updated would be interrupted, were it the only one that is well.
  const back = able.filter((copy) => copy.isReplaced && (current.isHealthy || !isOutdated(subject, copy)));
  if (onReturn === 'keep-original') return back.sort(compareAge)[0];
  if (onReturn !== 'longest-running') return undefined;
  const longer = back.filter((copy) => !isOutdated(subject, copy) && runsLonger(copy, current));
  return longer.sort((a, b) => (runsLonger(a, b) ? -1 : 1))[0];
}

/** The replacement fails, or isn't healthy in time, and an older copy is well. */
function planRescue(subject: Subject, current: Copy, able: readonly Copy[]): boolean {
  const [copy] = able.filter((each) => !isOutdated(subject, each)).sort(compareAge);
  if (copy === undefined) return false;
  const { ctx, name } = subject;
  const leftMs = patienceLeftMs(subject, current);
  if (leftMs > 0) {
    ctx.wakeIn(name, leftMs);
    return false;
  }
  const trouble = isDown(current) ? 'fails' : 'does not become healthy';
  const reason = `${trouble} on ${ctx.nodeName(current.node)}, and the copy on ${ctx.nodeName(copy.node)} is healthy`;
  return reinstate(subject, current, { copy, reason });
}

/** None is well for long: of those that can't be waited for any more the one that does most goes on. */
function planBetter(subject: Subject, current: Copy): boolean {
  const leftMs = patienceLeftMs(subject, current);
  if (leftMs > 0) {
    subject.ctx.wakeIn(subject.name, leftMs);
    return false;
  }
  const copy = subject.others.find((other) => {
    return !isOutdated(subject, other) && isGivenUp(subject, current, other) && rankOf(other) > rankOf(current);
  });
  if (copy === undefined) return false;
  const [from, to] = [current.node, copy.node].map((node) => subject.ctx.nodeName(node));
  return reinstate(subject, current, { copy, reason: `fails on ${from}, and runs on ${to}` });
}

/** Neither is well for long, and the copy that counts does no less. */
function isHopeless(subject: Subject, current: Copy, other: Copy): boolean {
  return isGivenUp(subject, current, other) && rankOf(other) <= rankOf(current);
}

function isGivenUp(subject: Subject, current: Copy, other: Copy): boolean {
  if (other.standing !== 'present' || other.assignment.value.order !== 'run') return false;
  const fitness = fitnessOf(subject, other);
  if (fitness.kind === 'well') return false;
  const leftMs = Math.max(orderPatienceLeftMs(subject, current), fitness.kind === 'coming' ? fitness.forMs : 0);
  if (leftMs > 0 && leftMs < Infinity) subject.ctx.wakeIn(subject.name, leftMs);
  return leftMs <= 0;
}

/** `onReturn` would choose it, were it well, and it may still come to be. */
function mayYetWin(subject: Subject, current: Copy, other: Copy): boolean {
  const { onReturn } = subject.workload.value.disconnect;
  if (!other.isReplaced || other.assignment.value.order !== 'run') return false;
  if (onReturn !== 'keep-original' && onReturn !== 'longest-running') return false;
  const fitness = fitnessOf(subject, other);
  if (fitness.kind !== 'coming') return false;
  if (onReturn === 'longest-running' && other.isAnswered && !runsLonger(other, current)) return false;
  if (fitness.forMs < Infinity) subject.ctx.wakeIn(subject.name, fitness.forMs);
  return true;
}

function reinstate(
  subject: Subject,
  current: Copy,
  { copy, reason }: { readonly copy: Copy; readonly reason: string },
): boolean {
  const draft = new StepDraft(subject).run(copy.node, reason).supersede(current);
  if (current.standing === 'lost') draft.whilePresenceIs(current.node);
  return draft.move(current.node, copy.node, reason).emit('reinstate', reason);
}

/** The one that was ordered first was there first. */
function compareAge(a: Copy, b: Copy): number {
  const [x, y] = [a.assignment.value.at, b.assignment.value.at];
  if (x !== y) return x < y ? -1 : 1;
  return a.node < b.node ? -1 : 1;
}

/** By when they were started; one of which that isn't known is the younger. */
function runsLonger(a: Copy, b: Copy): boolean {
  const [x, y] = [a, b].map(({ isAnswered, status }) => (isAnswered ? instantMs(status?.startedAt) : undefined));
  if (x === undefined) return false;
  return y === undefined || x < y;
}
