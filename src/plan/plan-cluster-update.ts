import type { Slot } from '../domain/ids.ts';
import { restartOf } from '../domain/run-hash.ts';
import type { Assignment, Workload } from '../domain/spec.ts';
import { StepDraft } from './plan-cluster-draft.ts';
import type { Copy, Subject, Turn } from './plan-cluster-subject.ts';

/** Orders the workload's present spec; one healthy instance at a time, one that isn't at once. False: nothing to do now. */
export function planUpdate(subject: Subject, current: Copy): boolean {
  if (!isOutdated(subject, current)) return planLaunch(subject, current) || planOfflineStart(subject, current);
  const isHealthy = current.status?.healthy === true;
  if (isHealthy && !subject.turn.updateFree) return false;
  if (isHealthy) subject.turn.updateFree = false;
  const reason = updateReason(subject, current);
  return new StepDraft(subject).run(current.node, reason).forgive().emit('update', reason);
}

function updateReason({ workload, mode }: Subject, { assignment }: Copy): string {
  const { spec, disconnect } = assignment.value;
  if (spec !== workload.value.spec) return `spec ${spec} is replaced by ${workload.value.spec}`;
  return disconnect === mode ? 'an operator ordered its restart' : `disconnect is ${mode} now`;
}

/** Whether it's started is the order's alone too: it stays where it is. */
function planLaunch(subject: Subject, current: Copy): boolean {
  const { launch } = subject.workload.value;
  if (current.assignment.value.launch === launch) return false;
  const reason = launch === false ? 'it is to be loaded and not started' : 'it is to be started';
  return new StepDraft(subject).run(current.node, reason).emit('update', reason);
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
    if (current.assignment.value.order === 'stop' || isMoving(subject, current)) turn.moveFree = false;
    else if (!isOutdated(subject, current) && !current.isHealthy) turn.updateFree = false;
  }
}

/** Its new copy isn't healthy yet, and the one that it leaves runs on until it is. */
function isMoving({ others }: Subject, current: Copy): boolean {
  if (current.isHealthy) return false;
  return others.some((other) => {
    return other.standing === 'present' && other.assignment.value.order === 'run' && !other.isReplaced;
  });
}

/** Its order isn't what the workload says now, and another one would restart it. */
export function isOutdated({ workload, instance }: Subject, { assignment }: Copy): boolean {
  return isOutdatedOrder(workload.value, instance.slot, assignment.value);
}

/** The same of any order. */
export function isOutdatedOrder(workload: Workload, slot: Slot, { spec, disconnect, restart }: Assignment): boolean {
  if (spec !== workload.spec || disconnect !== workload.disconnect.mode) return true;
  return restart !== restartOf(workload, slot);
}
