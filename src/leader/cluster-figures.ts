import { isUnitName, type NodeId } from '../domain/ids.ts';
import type { PresenceState } from '../domain/node.ts';
import type { InstanceStatus, Phase } from '../domain/status.ts';
import type { ClusterState } from './cluster-state.ts';
import type { InstanceEntry, NodeEntry, WorkloadEntry } from './state-entries.ts';

/** How the cluster stands, in numbers. */
export interface ClusterFigures {
  /** Of the nodes that have ever joined; `lost`: without presence. */
  readonly nodes: Readonly<Record<PresenceState | 'lost', number>>;
  /** Of those that are there: they get no new work. One may be so for several reasons. */
  readonly unschedulable: Readonly<Record<'cordoned' | 'draining' | 'calm', number>>;
  readonly workloads: Readonly<Record<'run' | 'stop', number>>;
  /** Of those to run: as many of their instances as wanted are healthy. */
  readonly healthyWorkloads: number;
  /** Current copies, by phase; `lost` on a node that is. */
  readonly phases: ReadonlyMap<Phase, number>;
  /** Instances that wait for a node. */
  readonly pending: number;
  /** Replacements are held back, as many nodes vanished together. */
  readonly isHeld: boolean;
}

/** What a leader stands at. */
export interface LeaderFigures {
  /** Undefined until the cluster has been read. */
  readonly cluster: ClusterFigures | undefined;
  readonly passRunningForMs: number;
}

/** Counts the leader's view: work in proportion to the cluster, done only when somebody asks. */
export function countCluster(state: ClusterState): ClusterFigures {
  const workloads = { run: 0, stop: 0 };
  const phases = new Map<Phase, number>();
  let [healthyWorkloads, pending] = [0, 0];
  for (const entry of state.workloads.values()) {
    pending += entry.pending.size;
    for (const instance of entry.instances.values()) {
      const phase = phaseOf(state, instance);
      if (phase !== undefined) phases.set(phase, (phases.get(phase) ?? 0) + 1);
    }
    const workload = entry.workload?.value;
    if (workload === undefined) continue;
    const isWanted = workload.desired === 'run' && workload.removing !== true;
    workloads[isWanted ? 'run' : 'stop'] += 1;
    if (isWanted && isHealthy(state, entry)) healthyWorkloads += 1;
  }
  const hold = state.hold?.value;
  const isHeld = hold !== undefined && hold.ended === undefined;
  return { ...countNodes(state.nodes.values()), workloads, healthyWorkloads, phases, pending, isHeld };
}

function countNodes(entries: Iterable<NodeEntry>): Pick<ClusterFigures, 'nodes' | 'unschedulable'> {
  const nodes = { up: 0, leaving: 0, away: 0, 'in-doubt': 0, lost: 0 };
  const unschedulable = { cordoned: 0, draining: 0, calm: 0 };
  for (const { isKnown, presence, settings, calm } of entries) {
    if (!isKnown) continue;
    nodes[presence?.value.state ?? 'lost'] += 1;
    if (presence === undefined) continue;
    if (settings.cordoned) unschedulable.cordoned += 1;
    if (settings.draining) unschedulable.draining += 1;
    if (calm !== undefined) unschedulable.calm += 1;
  }
  return { nodes, unschedulable };
}

/** Undefined while nothing is known of a current copy. */
function phaseOf({ nodes }: ClusterState, instance: InstanceEntry): Phase | undefined {
  const status = currentStatus(instance);
  const node = currentNode(instance);
  return status !== undefined && node !== undefined && nodes.get(node)?.presence === undefined ? 'lost' : status?.phase;
}

function currentNode({ record }: InstanceEntry): NodeId | undefined {
  return record?.value.copies.find(({ role }) => role === 'current')?.node;
}

function currentStatus(instance: InstanceEntry): InstanceStatus | undefined {
  const node = currentNode(instance);
  return node === undefined ? undefined : instance.copies.get(node)?.status?.value;
}

/** As many instances as are wanted are healthy, and none waits. A unit may also have done its work, and ended well, or wait for what starts it. */
function isHealthy(state: ClusterState, { name, workload, instances, pending }: WorkloadEntry): boolean {
  if (workload === undefined || pending.size > 0) return false;
  let well = 0;
  for (const instance of instances.values()) {
    const status = currentStatus(instance);
    if (status === undefined || phaseOf(state, instance) === 'lost') continue;
    const hasEndedWell = status.phase === 'stopped' && status.startedAt !== undefined && (status.exitCode ?? 0) === 0;
    const isInstalled = workload.value.launch === false && status.phase !== 'failed';
    if (status.healthy || isInstalled || (hasEndedWell && isUnitName(name))) well += 1;
  }
  const { scale } = workload.value;
  return well >= (scale.kind === 'replicas' ? scale.replicas : instances.size);
}
