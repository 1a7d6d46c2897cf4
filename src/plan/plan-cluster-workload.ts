import { makeInstanceKey, type NodeId, type Slot } from '../domain/ids.ts';
import type { Workload } from '../domain/spec.ts';
import { type InstanceView, isUnordered, type Versioned, type WorkloadView } from './cluster-view.ts';
import type { PlanContext } from './plan-cluster-context.ts';
import { standingOf } from './plan-cluster-loss.ts';
import { planRun } from './plan-cluster-run.ts';
import { compareSlots, wantedSlots } from './plan-cluster-scale.ts';
import { planStop } from './plan-cluster-stop.ts';
import { makeNewInstance, makeSubject, type Subject } from './plan-cluster-subject.ts';
import { planUnknownWorkload } from './plan-cluster-unknown.ts';
import { fillTurn } from './plan-cluster-update.ts';

/** Decides about one workload: at most one step per instance, in order of the slots. */
export function planWorkload(ctx: PlanContext, view: WorkloadView): void {
  if (view.unreadable) {
    ctx.problems.push({ workload: view.name, instance: undefined, reason: 'its record cannot be read' });
  } else if (view.workload === undefined) planUnknownWorkload(ctx, view);
  else planKnownWorkload(ctx, view, view.workload);
}

function planKnownWorkload(ctx: PlanContext, view: WorkloadView, workload: Versioned<Workload>): void {
  const isRemoved = workload.value.removing === true;
  const inScale = isRemoved ? new Set<Slot>() : wantedSlots(ctx, view, workload.value);
  const turn = { updateFree: true, moveFree: true };
  const slots = [...inScale.union(new Set(view.instances.keys()))].sort(compareSlots);
  const subjects = slots.flatMap((slot) => {
    const instance = view.instances.get(slot) ?? makeNewInstance(makeInstanceKey(view.name, slot), slot);
    if (isReadable(ctx, view, instance)) return [makeSubject(ctx, view.name, workload, instance, turn)];
    return [];
  });
  const isWanted = workload.value.desired === 'run';
  fillTurn(turn, isWanted ? subjects.filter(({ instance }) => inScale.has(instance.slot)) : []);
  for (const subject of subjects) {
    if (ctx.isFull) {
      ctx.unfinished.add(view.name);
      return;
    }
    const isInScale = inScale.has(subject.instance.slot);
    if (isInScale && isWanted) planRun(subject);
    else planStop(subject, stopReason(subject, isInScale), !isInScale);
  }
  if (isRemoved && [...view.instances.values()].every((instance) => isGone(ctx, instance))) {
    ctx.emit({
      action: 'remove-workload',
      workload: view.name,
      instance: undefined,
      from: undefined,
      to: undefined,
      reason: 'its last instance is gone',
      guards: [{ kind: 'workload', name: view.name, revision: workload.revision }],
      writes: [{ kind: 'delete-workload', name: view.name }],
    });
  }
}

function stopReason({ ctx, workload, instance }: Subject, isInScale: boolean): string {
  const { removing, desired, scale } = workload.value;
  if (removing === true) return 'the workload is being removed';
  if (isInScale || desired === 'stop') return 'the workload is stopped';
  if (scale.kind !== 'global') return `scaled to ${scale.replicas}`;
  const isDraining = ctx.node(instance.slot as string as NodeId)?.settings.draining === true;
  return isDraining ? 'the node is being drained' : 'the node does not match any more';
}

function isReadable(ctx: PlanContext, view: WorkloadView, instance: InstanceView): boolean {
  if (instance.unreadable.size === 0) return true;
  const keys = [...instance.unreadable].sort().join(', ');
  ctx.problems.push({ workload: view.name, instance: instance.key, reason: `cannot be read: ${keys}` });
  return false;
}

/** Nothing is left but orders to stop that wait for lost nodes. */
function isGone(ctx: PlanContext, instance: InstanceView): boolean {
  if (instance.record !== undefined || instance.unreadable.size > 0) return false;
  return [...instance.copies.values()].every((copy) => {
    const { node, assignment } = copy;
    const isLost = standingOf(ctx.node(node), 'keep') === 'lost';
    if (assignment === undefined) return isLost || !isUnordered(copy);
    return isLost && assignment.value.order === 'stop';
  });
}
