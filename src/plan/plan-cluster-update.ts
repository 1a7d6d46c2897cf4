import { StepDraft } from './plan-cluster-draft.ts';
import type { Copy, Subject, Turn } from './plan-cluster-subject.ts';

/** Orders the workload's present spec; one healthy instance at a time, one that isn't at once. False: nothing to do now. */
export function planUpdate(subject: Subject, current: Copy): boolean {
  if (!isOutdated(subject, current)) return false;
  const isHealthy = current.status?.healthy === true;
  if (isHealthy && !subject.turn.updateFree) return false;
  if (isHealthy) subject.turn.updateFree = false;
  const { spec } = subject.workload.value;
  const had = current.assignment.value.spec;
  const reason = had === spec ? `disconnect is ${subject.mode} now` : `spec ${had} is replaced by ${spec}`;
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

function isOutdated({ workload, mode }: Subject, { assignment }: Copy): boolean {
  return assignment.value.spec !== workload.value.spec || assignment.value.disconnect !== mode;
}
