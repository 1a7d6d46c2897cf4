import type { DesiredState } from '../cluster/desired-state.ts';
import { type InstanceKey, isUnitName, type NodeId, type WorkloadName } from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import type { InstanceRecord } from '../domain/spec.ts';
import type { InstanceDetail, InstanceRow, NodeRow, WorkloadRow } from '../wire/answers.ts';
import { nodeRef, type RowFacts } from './copy-rows.ts';
import { summarizeWorkload } from './summary.ts';

/** A line of `muster ls`; undefined when there's no such workload. */
export function workloadRow(
  state: DesiredState,
  name: WorkloadName,
  facts: readonly RowFacts[],
): WorkloadRow | undefined {
  const workload = state.workloads.get(name)?.value;
  if (workload === undefined) return undefined;
  return {
    name,
    kind: isUnitName(name) ? 'unit' : 'container',
    desired: workload.desired,
    removing: workload.removing === true,
    scale: workload.scale,
    spec: workload.spec,
    disconnect: workload.disconnect.mode,
    sticky: workload.sticky,
    createdAt: workload.createdAt,
    changedAt: workload.changedAt,
    ...(workload.labels === undefined ? {} : { labels: workload.labels }),
    summary: summarizeWorkload(workload, facts),
  };
}

/** Every instance of a workload with its copies, why it is as it is, and what it waits for. */
export function instanceDetails(state: DesiredState, name: WorkloadName, facts: readonly RowFacts[]): InstanceDetail[] {
  const keys = [...new Set(facts.map(({ row }) => row.key))];
  return keys.map((key) => {
    const mine = facts.filter(({ row }) => row.key === key);
    return instanceDetail(state, { key, facts: mine, record: state.instancesOf(name).get(key) });
  });
}

function instanceDetail(
  state: DesiredState,
  {
    key,
    facts,
    record,
  }: { readonly key: InstanceKey; readonly facts: readonly RowFacts[]; readonly record: InstanceRecord | undefined },
): InstanceDetail {
  const rows = facts.map(({ row }) => row);
  const main = rows.find((row) => row.role === 'current') ?? rows.find((row) => row.role === undefined) ?? rows[0];
  const nodes = Object.entries(record?.pending?.nodes ?? {}).map(([node, reason]) => ({
    node: nodeRef(state, node as NodeId),
    reason,
  }));
  const waitsFor = waitingText(facts);
  const reason = main?.reason;
  return {
    key,
    display: displayName(key),
    phase: main?.phase ?? 'pending',
    ...(reason === undefined ? {} : { reason }),
    ...(waitsFor === undefined ? {} : { waitsFor }),
    nodes,
    rows,
    moves: record?.moves ?? [],
  };
}

/** What has to happen next; undefined when the instance is as it should be. */
function waitingText(facts: readonly RowFacts[]): string | undefined {
  const current = facts.find(({ row }) => row.role === 'current');
  const wanted = facts.some((fact) => fact.wanted);
  const others = facts.filter(({ row }) => row.node !== undefined && row.role !== 'current');
  if (wanted && current === undefined) {
    return facts.some(({ stuck }) => stuck) ? 'a node that can take it' : 'the leader, to place it';
  }
  if (wanted && current !== undefined) {
    const own = currentWaits(current);
    if (own !== undefined) return own;
    const present = others.find(({ row }) => row.phase !== 'lost');
    return present === undefined ? undefined : `the older copy on ${hostOf(present.row)} to stop`;
  }
  const left = facts.find(({ row }) => row.node !== undefined);
  if (left === undefined) return undefined;
  return left.row.phase === 'lost' ? `${hostOf(left.row)} to come back` : `${hostOf(left.row)} to stop it`;
}

function currentWaits({ row, stuck, order, awaitsRestart }: RowFacts): string | undefined {
  const host = hostOf(row);
  if (row.phase === 'lost') return stuck ? `${host} to come back` : 'the leader, to place it elsewhere';
  if (order === 'stop') return `${host} to stop it`;
  if (row.phase === 'failed') return `${host} to start it again`;
  if (row.phase === 'running' && awaitsRestart) return 'its turn to be restarted';
  if (row.phase === 'running' && !row.upToDate) return 'its turn to get the new spec';
  if (row.phase === 'running') return row.healthy ? undefined : 'being healthy';
  if (row.phase === 'pulling') return 'its image';
  return row.phase === 'stopped' ? undefined : `${host} to start it`;
}

function hostOf(row: InstanceRow): string {
  return row.node?.hostname ?? 'its node';
}

/** A line of `muster node ls`; undefined for a node that has neither record nor presence. */
export function nodeRow(state: DesiredState, id: NodeId, instances: number): NodeRow | undefined {
  const { record, presence, settings, verdict } = state.nodes.get(id) ?? {};
  if (record === undefined) return undefined;
  return {
    id,
    hostname: record.hostname,
    state: presence?.state ?? 'lost',
    ...(verdict?.lostSince === undefined || presence !== undefined ? {} : { lostSince: verdict.lostSince }),
    leader: state.leader?.node === id,
    cordoned: settings?.cordoned === true,
    draining: settings?.draining === true,
    ...(settings?.drain === undefined ? {} : { drain: settings.drain }),
    ...(verdict?.drainedSince === undefined ? {} : { drainedSince: verdict.drainedSince }),
    ...(settings?.removal === undefined ? {} : { removing: true }),
    advertise: record.advertise,
    addresses: record.addresses,
    labels: { ...record.labels, ...settings?.labels },
    capacity: record.capacity,
    runtimes: record.runtimes,
    agentVersion: record.agentVersion,
    machineId: record.machineId,
    bootId: record.bootId,
    instances,
  };
}

/** How many copies are assigned to each node. */
export function countAssignments(state: DesiredState): Map<NodeId, number> {
  const counts = new Map<NodeId, number>();
  for (const name of state.names()) {
    for (const copies of state.copiesOf(name).values()) {
      for (const { node, assignment } of copies.values()) {
        if (assignment !== undefined) counts.set(node, (counts.get(node) ?? 0) + 1);
      }
    }
  }
  return counts;
}
