import type { Lease, RegistrationState } from '../cluster/registration-options.ts';
import type { StoreHealth } from '../cluster/store-health.ts';
import type { ClusterFigures, LeaderFigures } from '../leader/cluster-figures.ts';
import { type Reading, reading, readingIf } from '../metrics/metrics.ts';
import type { NodeFigures } from '../node/node.ts';
import type { EndpointsInUse } from './ports.ts';

/** What an agent stands at, in numbers. */
export interface AgentFigures {
  readonly nowMs: number;
  readonly state: RegistrationState['kind'];
  readonly isFenced: boolean;
  readonly lease: Lease | undefined;
  readonly store: StoreHealth['state'];
  /** 0: no answer has told any. */
  readonly revision: number;
  readonly endpoints: EndpointsInUse | undefined;
  readonly node: NodeFigures;
  /** The revision at which the term began; undefined while it follows. */
  readonly term: number | undefined;
  readonly leader: LeaderFigures | undefined;
}

const nodeStates: readonly RegistrationState['kind'][] = ['joining', 'joined', 'in-doubt', 'refused', 'leaving'];
const storeStates: readonly StoreHealth['state'][] = [
  ...(['unknown', 'good', 'unavailable', 'refusing', 'full', 'slow', 'in-doubt'] as const),
];

/** The agent's figures as metrics. What isn't known, or is another node's to say, is left out. */
export function readAgent(figures: AgentFigures): readonly Reading[] {
  const { state, isFenced, store, revision, node, term, leader } = figures;
  return [
    ...nodeStates.map((each) => reading('muster_node_state', Number(each === state), { state: each })),
    ...storeStates.map((each) => reading('muster_etcd_state', Number(each === store), { state: each })),
    ...readingIf('muster_etcd_revision', revision === 0 ? undefined : revision),
    ...readingIf('muster_node_fenced', Number(isFenced)),
    ...readEndpoints(figures.endpoints),
    ...readLease(figures),
    ...[...node.phases].map(([phase, count]) => reading('muster_instances', count, { phase })),
    ...readingIf('muster_actions_in_flight', node.actionsInFlight),
    reading('muster_loop_pass_running_seconds', node.passRunningForMs / 1000, { loop: 'node' }),
    reading('muster_loop_pass_running_seconds', (leader?.passRunningForMs ?? 0) / 1000, { loop: 'leader' }),
    ...readingIf('muster_leader', Number(term !== undefined)),
    ...readingIf('muster_leader_term', term),
    ...(leader?.cluster === undefined ? [] : readCluster(leader.cluster)),
  ];
}

function readEndpoints(endpoints: EndpointsInUse | undefined): readonly Reading[] {
  if (endpoints?.current === undefined) return [];
  return [
    reading('muster_etcd_endpoint_in_use', 1, { endpoint: endpoints.current }),
    ...readingIf('muster_etcd_endpoint_changes_total', endpoints.changes),
  ];
}

function readLease({ lease, nowMs }: AgentFigures): readonly Reading[] {
  if (lease === undefined) return [];
  return [
    ...readingIf('muster_lease_ttl_seconds', lease.ttlMs / 1000),
    ...readingIf('muster_lease_age_seconds', (nowMs - lease.lastRenewedSentAtMs) / 1000),
    ...readingIf('muster_lease_fence_remaining_seconds', (lease.fenceAtMs - nowMs) / 1000),
  ];
}

function readCluster(cluster: ClusterFigures): readonly Reading[] {
  const { nodes, unschedulable, workloads, phases, healthyWorkloads, pending, isHeld } = cluster;
  const entries = Object.entries;
  return [
    ...entries(nodes).map(([state, count]) => reading('muster_cluster_nodes', count, { state })),
    ...entries(unschedulable).map(([reason, n]) => reading('muster_cluster_nodes_unschedulable', n, { reason })),
    ...entries(workloads).map(([desired, count]) => reading('muster_cluster_workloads', count, { desired })),
    ...readingIf('muster_cluster_workloads_healthy', healthyWorkloads),
    ...[...phases].map(([phase, count]) => reading('muster_cluster_instances', count, { phase })),
    ...readingIf('muster_cluster_instances_pending', pending),
    reading('muster_cluster_hold', Number(isHeld), { kind: 'mass-loss' }),
  ];
}
