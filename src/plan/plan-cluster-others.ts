import { StepDraft } from './plan-cluster-draft.ts';
import type { StepAction } from './plan-cluster-step.ts';
import type { Copy, Subject } from './plan-cluster-subject.ts';

/**
 * Ends the copies that don't count any more, and what runs without an order: `keep` ones once the copy that counts is healthy,
 * `stop` ones at once. Takes away what has stopped. Absent nodes are left alone.
 */
export function planOthers(subject: Subject, current: Copy, keepPending: boolean): void {
  const draft = new StepDraft(subject);
  if (!keepPending) draft.unpend();
  let action: StepAction = 'tidy';
  let reason = 'the record was not up to date';
  const where = subject.ctx.nodeName(current.node);
  const why = current.assignment.value.order === 'run' ? `runs on ${where}` : `must end before it runs on ${where}`;
  const mayEnd = subject.mode === 'stop' || current.isHealthy;
  for (const other of subject.others) {
    if (other.isStopped) {
      draft.drop(other);
      if (action === 'tidy') [action, reason] = ['receipt', 'the replaced copy has stopped'];
    } else if (
      mayEnd &&
      other.assignment.value.order === 'run' &&
      (other.standing === 'present' || subject.mode === 'stop')
    ) {
      [action, reason] = ['stop-superseded', why];
      draft.stop(other, reason, true);
    }
  }
  for (const ghost of subject.ghosts) {
    if (
      !mayEnd ||
      (!ghost.isReported && subject.mode === 'keep') ||
      ghost.standing !== 'present' ||
      ghost.node === current.node
    )
      continue;
    [action, reason] = ['stop-superseded', why];
    draft.stopGhost(ghost.node, ghost.spec, reason);
  }
  draft.emit(action, reason);
}
