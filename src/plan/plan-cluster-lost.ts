import { StepDraft } from './plan-cluster-draft.ts';
import { canMoveAway, planRelocation } from './plan-cluster-move.ts';
import type { Copy, Subject } from './plan-cluster-subject.ts';
import { fenceOthers, findTarget } from './plan-cluster-target.ts';

/** The copy's node is lost, or shuts down: starts the instance elsewhere as soon as its mode allows. */
export function planReplacement(subject: Subject, current: Copy): void {
  const isLeaving = current.standing === 'leaving';
  const why = isLeaving ? 'is shutting down' : `lost for ${absence(current)}`;
  if (!canMoveAway(subject)) {
    if (!isLeaving) planWait(subject, `its data is on ${subject.ctx.nodeName(current.node)}, which is lost`, {});
    return;
  }
  if (!isLeaving) {
    planElsewhere(subject, current, why);
    return;
  }
  if (current.isStopped) planRelocation(subject, current, why);
  else if (current.assignment.value.order === 'stop') return;
  else if (subject.mode === 'keep') planElsewhere(subject, current, why);
  else if (hasEndedByItself(current)) planElsewhere(subject, current, why);
}

/** A node that shuts down stops its `stop` instances without an order: its report answers the order to run. */
function hasEndedByItself({ status, assignment }: Copy): boolean {
  return status?.phase === 'stopped' && status.assignmentRevision === assignment.revision;
}

function planElsewhere(subject: Subject, current: Copy, why: string): void {
  const { ctx, mode } = subject;
  const name = ctx.nodeName(current.node);
  const isLeaving = current.standing === 'leaving';
  // What ended on a node that shuts down is out of the way of its own replacement.
  const target = findTarget(isLeaving ? { ...subject, current: undefined } : subject);
  if ('failure' in target) {
    planWait(subject, `${name} ${isLeaving ? why : 'is lost'}; ${target.failure.reason}`, target.failure.nodes);
    return;
  }
  const reason = isLeaving ? `${name} ${why}` : `${name} ${why}`;
  const draft = new StepDraft(subject);
  if (mode === 'stop' && isLeaving) draft.drop(current);
  draft.run(target.node.id, reason);
  if (mode === 'keep') draft.supersede(current);
  if (mode === 'keep' && !isLeaving) draft.whilePresenceIs(current.node);
  // The presence that said `leaving`: a machine that is back could have started it again under the same order.
  if (mode === 'stop' && isLeaving) draft.whilePresenceIs(current.node);
  fenceOthers(isLeaving ? { ...subject, current: undefined } : subject, target.node.id, draft, reason);
  draft.move(current.node, target.node.id, reason).emit('replace', reason);
}

function planWait(subject: Subject, reason: string, nodes: Readonly<Record<string, string>>): void {
  new StepDraft(subject).pend(reason, nodes).emit('wait', reason);
}

function absence({ view }: Copy): string {
  return `${((view?.absentForMs ?? 0) / 1_000).toFixed(1)} s`;
}
