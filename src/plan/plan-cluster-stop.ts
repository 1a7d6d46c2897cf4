import { StepDraft } from './plan-cluster-draft.ts';
import { standingOf } from './plan-cluster-loss.ts';
import type { StepAction } from './plan-cluster-step.ts';
import type { Subject } from './plan-cluster-subject.ts';

/**
 * Decides about an instance that isn't to run: every copy is ordered to stop, and goes on its receipt. `forget`: the record goes
 * too, once no copy is left but those on lost nodes, whose orders stay until they are back.
 */
export function planStop(subject: Subject, reason: string, forget: boolean): void {
  const { current, others, ghosts } = subject;
  const draft = new StepDraft(subject).unpend().forgive();
  let action: StepAction = 'tidy';
  let mayForget = true;
  for (const copy of current === undefined ? others : [current, ...others]) {
    if (copy.isStopped) {
      draft.drop(copy);
      if (action === 'tidy') action = 'receipt';
      continue;
    }
    if (copy.assignment.value.order === 'run') {
      draft.stop(copy, reason);
      action = 'stop';
    }
    if (standingOf(copy.view, 'keep') !== 'lost') mayForget = false;
  }
  for (const ghost of ghosts) {
    if (!ghost.isReported && (subject.mode === 'keep' || ghost.standing === 'lost')) continue;
    draft.stopGhost(ghost.node, ghost.spec, reason);
    action = 'stop';
    if (standingOf(subject.ctx.node(ghost.node), 'keep') !== 'lost') mayForget = false;
  }
  if (forget && mayForget) draft.forget();
  draft.emit(action === 'tidy' && forget && mayForget ? 'forget' : action, reason);
}
