import { StepDraft } from './plan-cluster-draft.ts';
import type { Copy, Subject } from './plan-cluster-subject.ts';
import { fenceOthers, findTarget } from './plan-cluster-target.ts';

/** False for what belongs to its node: a global instance, or one whose data is there. */
export function canMoveAway({ isGlobal, workload }: Subject): boolean {
  return !isGlobal && !workload.value.sticky;
}

/** Begins to move a running instance off a node that it must leave; false when there's nothing to do now. */
export function planMove(subject: Subject, current: Copy, why: string): boolean {
  const { ctx, workload, mode, turn } = subject;
  const name = ctx.nodeName(current.node);
  if (!canMoveAway(subject)) return planWait(subject, `cannot leave ${name} (${why}): its data is there`, {});
  // It will have stopped here before it starts there: only then does anything else stand in the way of `stop` instances.
  const target = findTarget({ ...subject, current: undefined });
  if ('failure' in target) {
    return planWait(subject, `cannot leave ${name} (${why}): ${target.failure.reason}`, target.failure.nodes);
  }
  const reason = `${name}: ${why}`;
  if (mode === 'keep' && workload.value.moveOrder === 'start-first') {
    return new StepDraft(subject)
      .run(target.node.id, reason)
      .supersede(current)
      .move(current.node, target.node.id, reason)
      .emit('move', reason);
  }
  if (!turn.moveFree) return false;
  turn.moveFree = false;
  return new StepDraft(subject).stop(current, `moves off ${reason}`).emit('stop-to-move', reason);
}

/** The stopped copy's receipt is there: in one transaction it goes, and the instance starts elsewhere. */
export function planRelocation(subject: Subject, current: Copy, why: string): void {
  const reason = `${subject.ctx.nodeName(current.node)}: ${why}`;
  const target = findTarget(subject);
  const draft = new StepDraft(subject).drop(current);
  if ('failure' in target) {
    draft
      .move(current.node, undefined, reason)
      .pend(target.failure.reason, target.failure.nodes)
      .emit('receipt', reason);
    return;
  }
  draft.run(target.node.id, reason).move(current.node, target.node.id, reason);
  fenceOthers({ ...subject, current: undefined }, target.node.id, draft, reason);
  draft.emit('move', reason);
}

function planWait(subject: Subject, reason: string, nodes: Readonly<Record<string, string>>): boolean {
  return new StepDraft(subject).pend(reason, nodes).emit('wait', reason);
}
