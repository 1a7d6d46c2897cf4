import { StepDraft } from './plan-cluster-draft.ts';
import { endReason } from './plan-cluster-return.ts';
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
  for (const other of subject.others) {
    if (other.isStopped) {
      draft.drop(other);
      if (action === 'tidy') [action, reason] = ['receipt', 'the replaced copy has stopped'];
    } else if (other.assignment.value.order === 'run') {
      const why = endReason(subject, current, other);
      if (why === undefined) continue;
      [action, reason] = ['stop-superseded', why];
      draft.stop(other, why, true);
      if (other.isReplaced) draft.move(other.node, current.node, why);
    }
  }
  const ended = endGhosts(subject, current, draft);
  if (ended !== undefined) [action, reason] = ['stop-superseded', ended];
  draft.emit(action, reason);
}

function endGhosts(subject: Subject, current: Copy, draft: StepDraft): string | undefined {
  if (subject.mode === 'keep' && !current.isHealthy) return undefined;
  const where = subject.ctx.nodeName(current.node);
  const why = current.assignment.value.order === 'run' ? `runs on ${where}` : `must end before it runs on ${where}`;
  const ghosts = subject.ghosts.filter(({ node, standing, isReported }) => {
    return (isReported || subject.mode === 'stop') && standing === 'present' && node !== current.node;
  });
  for (const ghost of ghosts) draft.stopGhost(ghost.node, ghost.spec, why);
  return ghosts.length === 0 ? undefined : why;
}
