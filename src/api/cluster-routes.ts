import { readState, readWorkloadState } from '../cluster/desired-read.ts';
import { readSpecs } from '../cluster/desired-specs.ts';
import type { DesiredState } from '../cluster/desired-state.ts';
import { AgentError } from '../domain/errors.ts';
import { isUnitName, type WorkloadName } from '../domain/ids.ts';
import type { Workload } from '../domain/spec.ts';
import type { ClusterAnswer, ExplainAnswer, NodeAnswer, WorkloadAnswer } from '../wire/answers.ts';
import type { ApiDeps } from './api-deps.ts';
import { nodeRef, readRows } from './copy-rows.ts';
import { countAssignments, instanceDetails, nodeRow } from './details.ts';
import { everything } from './listings.ts';
import { resolveNode } from './resolve-name.ts';
import { summarizeWorkload } from './summary.ts';

/** `GET /v1/cluster` */
export async function getCluster(deps: ApiDeps, signal: AbortSignal): Promise<ClusterAnswer> {
  const { state, revision } = await readState(deps.store, ['nodes', 'workloads', 'election'], signal);
  const entries = [...state.nodes.values()].filter(({ record }) => record !== undefined);
  const { leader, settings } = state;
  return {
    id: deps.cluster,
    ...(leader === undefined ? {} : { leader: nodeRef(state, leader.node), term: leader.term }),
    nodes: { known: entries.length, present: entries.filter(({ presence }) => presence !== undefined).length },
    workloads: state.workloads.size,
    ...(settings === undefined ? {} : { ttlMs: settings.ttlMs }),
    revision,
    problems: state.problems,
  };
}

/** `GET /v1/nodes/:id` */
export async function getNode(deps: ApiDeps, typed: string, signal: AbortSignal): Promise<NodeAnswer> {
  const { state } = await readState(deps.store, everything, signal);
  const id = resolveNode(state, typed);
  const node = nodeRow(state, id, countAssignments(state).get(id) ?? 0);
  if (node === undefined) throw new AgentError('NOT_FOUND', `Cannot find node "${typed}"`);
  const rows = state.names().flatMap((name) => readRows(state, name).map(({ row }) => row));
  return { node, rows: rows.filter((row) => row.node?.id === id), problems: state.problems };
}

/** `GET /v1/workloads/:name` */
export async function getWorkload(deps: ApiDeps, name: WorkloadName, signal: AbortSignal): Promise<WorkloadAnswer> {
  const [{ state }, specs] = await Promise.all([
    readWorkloadState(deps.store, [name], signal),
    readSpecs(deps.store, name, signal),
  ]);
  const workload = present(state, name);
  const facts = readRows(state, name);
  const spec = specs.get(workload.spec);
  return {
    name,
    workload,
    ...(spec === undefined ? {} : { spec }),
    specs: [...specs.keys()],
    summary: summarizeWorkload(workload, facts),
    instances: instanceDetails(state, name, facts),
    problems: state.problems,
  };
}

/** `GET /v1/workloads/:name/explain` */
export async function explain(deps: ApiDeps, name: WorkloadName, signal: AbortSignal): Promise<ExplainAnswer> {
  const { state } = await readWorkloadState(deps.store, [name], signal);
  const workload = present(state, name);
  const facts = readRows(state, name);
  return {
    name,
    desired: workload.desired,
    removing: workload.removing === true,
    summary: summarizeWorkload(workload, facts),
    instances: instanceDetails(state, name, facts),
    problems: state.problems,
  };
}

function present(state: DesiredState, name: WorkloadName): Workload {
  const workload = state.workloads.get(name)?.value;
  if (workload !== undefined) return workload;
  const suffix = isUnitName(name) ? '' : '; a unit is named with its type, as ".service"';
  const unreadable = state.problems.length > 0 ? `: ${state.problems.join('; ')}` : suffix;
  throw new AgentError('NOT_FOUND', `Cannot find workload "${name}"${unreadable}`);
}
