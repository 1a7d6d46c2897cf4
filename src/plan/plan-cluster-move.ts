import type { NodeId } from '../domain/ids.ts';
import { StepDraft } from './plan-cluster-draft.ts';
import { forcedReason, isDrainForced } from './plan-cluster-drain.ts';
import type { Copy, Subject } from './plan-cluster-subject.ts';
import { fenceOthers, findTarget } from './plan-cluster-target.ts';

/** False for what belongs to its node: a global instance, or one whose data is there, unless that is gone for good. */
export function canMoveAway({ isGlobal, workload, current }: Subject): boolean {
  return !isGlobal && (!workload.value.sticky || current?.isForgotten === true);
}

/**
 * Begins to move a running instance off a node that it must leave, one of a workload at a time; false when there's nothing to do now.
 * At a drain's deadline what can't move is stopped, if an operator wanted it so, and nobody waits for a turn.
 */
export function planMove(subject: Subject, current: Copy, why: string): boolean {
  const { ctx, name: workload, turn } = subject;
  const name = ctx.nodeName(current.node);
  const isForced = isDrainForced(ctx, workload, current.view);
  // It will have stopped here before it starts there: only then does anything else stand in the way of `stop` instances.
  const target = canMoveAway(subject) ? findTarget({ ...subject, current: undefined }) : undefined;
  if (target === undefined || 'failure' in target) {
    if (isForced) return planStopToMove(subject, current, `${name}: ${forcedReason}`);
    const { reason, nodes } = target?.failure ?? { reason: 'its data is there', nodes: {} };
    return planWait(subject, `cannot leave ${name} (${why}): ${reason}`, nodes);
  }
  if (!turn.moveFree && !isForced) return planWaitForTurn(subject);
  turn.moveFree = false;
  return planMoveTo(subject, current, target.node.id, `${name}: ${why}`);
}

function planMoveTo(subject: Subject, current: Copy, target: NodeId, reason: string): boolean {
  const { workload, mode } = subject;
  if (mode === 'stop' || workload.value.moveOrder === 'stop-first') {
    return planStopToMove(subject, current, `moves off ${reason}`);
  }
  return new StepDraft(subject)
    .run(target, reason)
    .supersede(current)
    .move(current.node, target, reason)
    .emit('move', reason);
}

function planStopToMove(subject: Subject, current: Copy, reason: string): boolean {
  return new StepDraft(subject).stop(current, reason).emit('stop-to-move', reason);
}

/** What stood in its way before doesn't any more. */
function planWaitForTurn(subject: Subject): boolean {
  return new StepDraft(subject).unpend().emit('tidy', 'waits for its turn to move');
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
