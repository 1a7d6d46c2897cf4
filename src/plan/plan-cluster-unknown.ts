import type { InstanceView, WorkloadView } from './cluster-view.ts';
import type { PlanContext } from './plan-cluster-context.ts';
import type { StepGuard, StepWrite } from './plan-cluster-step.ts';

/**
 * Traces of a workload that doesn't exist: orders to stop go on their receipts; what is ordered to run is left alone and
 * reported, for that nothing is there is no order.
 */
export function planUnknownWorkload(ctx: PlanContext, view: WorkloadView): void {
  const instances = [...view.instances.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  for (const instance of instances) {
    if (instance.unreadable.size > 0) continue;
    const runs = [...instance.copies.values()].filter(({ assignment }) => assignment?.value.order === 'run');
    if (runs.length > 0) {
      const nodes = runs.map(({ node }) => ctx.nodeName(node)).sort();
      const reason = `is ordered to run on ${nodes.join(', ')}, but there is no such workload`;
      ctx.problems.push({ workload: view.name, instance: instance.key, reason });
    }
    planReceipts(ctx, view, instance);
  }
}

function planReceipts(ctx: PlanContext, view: WorkloadView, { key, copies }: InstanceView): void {
  const guards: StepGuard[] = [{ kind: 'workload', name: view.name, revision: 0 }];
  const writes: StepWrite[] = [];
  for (const { node, assignment, status } of [...copies.values()].sort((a, b) => (a.node < b.node ? -1 : 1))) {
    if (assignment?.value.order !== 'stop' || status?.value.phase !== 'stopped') continue;
    if (status.value.assignmentRevision !== assignment.revision) continue;
    guards.push({ kind: 'assignment', node, key, revision: assignment.revision });
    guards.push({ kind: 'status', node, key, revision: status.revision });
    writes.push({ kind: 'delete-assignment', node, key }, { kind: 'delete-status', node, key });
  }
  if (writes.length === 0) return;
  const reason = 'has stopped, and its workload is gone';
  ctx.emit({
    action: 'receipt',
    workload: view.name,
    instance: key,
    from: undefined,
    to: undefined,
    reason,
    guards,
    writes,
  });
}
