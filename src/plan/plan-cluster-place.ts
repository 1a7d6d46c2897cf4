import { StepDraft } from './plan-cluster-draft.ts';
import type { Subject } from './plan-cluster-subject.ts';
import { fenceOthers, findTarget } from './plan-cluster-target.ts';

/** Nothing counts as the instance yet: finds it a node, or says why there's none. */
export function planPlacement(subject: Subject): void {
  const target = findTarget(subject);
  if ('failure' in target) {
    const { reason, nodes } = target.failure;
    const draft = new StepDraft(subject);
    clearTheWay(subject, draft);
    draft.pend(reason, nodes).emit('wait', reason);
    return;
  }
  const node = target.node.id;
  const runsThere = subject.ghosts.some((ghost) => ghost.isReported && ghost.node === node);
  const reason = runsThere ? 'it runs there already' : placementReason(subject);
  const draft = new StepDraft(subject).run(node, reason).move(undefined, node, reason);
  fenceOthers(subject, node, draft, reason);
  draft.emit(runsThere ? 'adopt' : 'place', reason);
}

/** Orders what may run where the `stop` instance can't stay to stop; of several that may, the first is left alone for now. */
function clearTheWay({ mode, others, ghosts, ctx, isGlobal }: Subject, draft: StepDraft): void {
  if (mode === 'keep' || isGlobal) return;
  const reason = 'must end before it runs elsewhere';
  const running = others.filter((copy) => !copy.isStopped && copy.standing !== 'lost');
  const haunted = ghosts.filter((ghost) => ghost.standing !== 'lost');
  const spared = running.length + haunted.length > 1 ? (running[0]?.node ?? haunted[0]?.node) : undefined;
  for (const copy of running) {
    const mayOrder = copy.standing === 'present' && copy.assignment.value.order === 'run';
    if (mayOrder && copy.node !== spared) draft.stop(copy, reason, true);
  }
  for (const ghost of haunted) {
    if (ghost.standing === 'present' && ghost.node !== spared && ctx.node(ghost.node) !== undefined) {
      draft.stopGhost(ghost.node, ghost.spec, reason);
    }
  }
}

function placementReason({ instance }: Subject): string {
  const record = instance.record?.value;
  if (record?.pending !== undefined) return 'a node fits now';
  return record?.lastNode === undefined ? 'new instance' : 'wanted again';
}
