import type { WorkloadName } from '../domain/ids.ts';
import type { ClusterView, WorkloadView } from './cluster-view.ts';
import { PlanContext } from './plan-cluster-context.ts';
import { nextLossInMs } from './plan-cluster-loss.ts';
import type { PlanProblem, Step } from './plan-cluster-step.ts';
import { planWorkload } from './plan-cluster-workload.ts';

/** What the leader should commit, in this order. */
export interface ClusterPlan {
  /** Every beginning of this list is safe by itself. */
  readonly steps: readonly Step[];
  /** What was left alone, and why. */
  readonly problems: readonly PlanProblem[];
  /** When time alone changes the answer; undefined: it doesn't. */
  readonly nextInMs: number | undefined;
  /** Of these workloads, for the sake of their policies; of the others that were looked at, never. */
  readonly wakes: ReadonlyMap<WorkloadName, number>;
  /** Workloads that are to be planned again once the steps are applied: the limit was reached before their end. */
  readonly unfinished: ReadonlySet<WorkloadName>;
}

/**
 * What is to change so that the cluster comes closer to what is desired; at most one step per instance, the next plan sees what
 * it did. Looks at the `dirty` workloads alone, and at no more once there are `stepLimit` steps. Equal input gives equal output, in whatever order its maps are.
 */
export function planCluster(
  view: ClusterView,
  dirty: ReadonlySet<WorkloadName> | 'all',
  stepLimit = Number.POSITIVE_INFINITY,
): ClusterPlan {
  const ctx = new PlanContext(view, stepLimit);
  for (const workload of inOrder(view, dirty)) {
    if (ctx.isFull) {
      ctx.unfinished.add(workload.name);
      continue;
    }
    try {
      planWorkload(ctx, workload);
    } catch (error) {
      const reason = `cannot be planned: ${error instanceof Error ? error.message : String(error)}`;
      ctx.problems.push({ workload: workload.name, instance: undefined, reason });
    }
  }
  const { steps, problems, unfinished, wakes } = ctx;
  const lossInMs = nextLossInMs(view.nodes.values());
  const nextInMs = Math.min(lossInMs ?? Infinity, ...wakes.values());
  return { steps, problems, unfinished, wakes, nextInMs: nextInMs === Infinity ? undefined : nextInMs };
}

/** By name; those that follow others (`MachineOf=`) after all others, so that they see where these go. */
function inOrder(view: ClusterView, dirty: ReadonlySet<WorkloadName> | 'all'): WorkloadView[] {
  const names = dirty === 'all' ? [...view.workloads.keys()] : [...dirty];
  const workloads = names.flatMap((name) => view.workloads.get(name) ?? []);
  const isFollower = ({ workload }: WorkloadView) => (workload?.value.placement.machineOf.length ?? 0) > 0;
  return workloads.sort((a, b) => Number(isFollower(a)) - Number(isFollower(b)) || (a.name < b.name ? -1 : 1));
}
