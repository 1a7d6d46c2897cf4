import { StepDraft } from './plan-cluster-draft.ts';
import type { Copy, Subject, Turn } from './plan-cluster-subject.ts';

/** Orders the workload's present spec; one healthy instance at a time, one that isn't at once. False: nothing to do now. */
export function planUpdate(subject: Subject, current: Copy): boolean {
  if (!isOutdated(subject, current)) return planOfflineStart(subject, current);
  const isHealthy = current.status?.healthy === true;
  if (isHealthy && !subject.turn.updateFree) return false;
  if (isHealthy) subject.turn.updateFree = false;
  const { spec } = subject.workload.value;
  const had = current.assignment.value.spec;
  const reason = had === spec ? `disconnect is ${subject.mode} now` : `spec ${had} is replaced by ${spec}`;
  return new StepDraft(subject).run(current.node, reason).forgive().emit('update', reason);
}

/** Whether it may start offline is the order's alone: what runs isn't touched, and nobody waits for a turn. */
function planOfflineStart(subject: Subject, current: Copy): boolean {
  const wanted = subject.workload.value.offlineStart === true && subject.mode === 'keep';
  if ((current.assignment.value.offlineStart === true) === wanted) return false;
  const reason = wanted ? 'it may start offline now' : 'it may not start offline any more';
  return new StepDraft(subject).run(current.node, reason).emit('update', reason);
}

/** Says whose turn it is: no healthy instance is interrupted while an updated one isn't healthy yet, or another one moves. */
export function fillTurn(turn: Turn, subjects: readonly Subject[]): void {
  for (const subject of subjects) {
    const { current } = subject;
    if (current?.standing !== 'present') continue;
    if (current.assignment.value.order === 'stop') turn.moveFree = false;
    else if (!isOutdated(subject, current) && !current.isHealthy) turn.updateFree = false;
  }
}

/** Its order isn't what the workload says now, and another one would restart it. */
export function isOutdated({ workload, mode }: Subject, { assignment }: Copy): boolean {
  return assignment.value.spec !== workload.value.spec || assignment.value.disconnect !== mode;
}
