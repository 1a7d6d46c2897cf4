import { markRemoving, setDesired } from '../cluster/desired.ts';
import { type Part, readState, readWorkloadState } from '../cluster/desired-read.ts';
import { readSpecs } from '../cluster/desired-specs.ts';
import type { DesiredState } from '../cluster/desired-state.ts';
import { AgentError } from '../domain/errors.ts';
import { isUnitName, parseWorkloadName, type WorkloadName } from '../domain/ids.ts';
import type { Workload } from '../domain/spec.ts';
import type {
  ClusterAnswer,
  DesiredAnswer,
  ExplainAnswer,
  InstancesAnswer,
  NodeAnswer,
  NodesAnswer,
  WorkloadAnswer,
  WorkloadsAnswer,
} from '../wire/answers.ts';
import type { ApiDeps } from './api-deps.ts';
import { nodeRef, readRows } from './copy-rows.ts';
import { countAssignments, instanceDetails, nodeRow, workloadRow } from './details.ts';
import { candidateWorkloads, resolveNode, rowsNamed } from './resolve-name.ts';
import { summarizeWorkload } from './summary.ts';

const everything: readonly Part[] = ['nodes', 'workloads', 'instances', 'assignments', 'statuses', 'election'];

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

/** `GET /v1/nodes` */
export async function getNodes(deps: ApiDeps, signal: AbortSignal): Promise<NodesAnswer> {
  const { state } = await readState(deps.store, ['nodes', 'assignments', 'election'], signal);
  const counts = countAssignments(state);
  const nodes = [...state.nodes.keys()].flatMap((id) => nodeRow(state, id, counts.get(id) ?? 0) ?? []);
  return { nodes: nodes.sort((a, b) => (a.hostname < b.hostname ? -1 : 1)), problems: state.problems };
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

/** `GET /v1/workloads` */
export async function getWorkloads(deps: ApiDeps, signal: AbortSignal): Promise<WorkloadsAnswer> {
  const { state } = await readState(deps.store, everything, signal);
  const workloads = [...state.workloads.keys()].sort().flatMap((name) => workloadRow(state, name) ?? []);
  return { workloads, problems: state.problems };
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

/** `GET /v1/instances?workload=&name=` */
export async function getInstances(
  deps: ApiDeps,
  filter: { readonly workload?: string | undefined; readonly name?: string | undefined },
  signal: AbortSignal,
): Promise<InstancesAnswer> {
  const { workload, name } = filter;
  if (workload === undefined && name === undefined) {
    const { state } = await readState(deps.store, everything, signal);
    const rows = state.names().flatMap((each) => readRows(state, each).map(({ row }) => row));
    return { rows, problems: state.problems };
  }
  const names = workload === undefined ? candidateWorkloads(name ?? '').filter(isName) : [parseWorkloadName(workload)];
  const { state } = await readWorkloadState(deps.store, names, signal);
  const rows = names.flatMap((each) => readRows(state, each).map(({ row }) => row));
  const found = name === undefined ? rows : rowsNamed(rows, name);
  if (found.length > 0 || names.some((each) => state.workloads.has(each) && each === (workload ?? name))) {
    return { rows: found, problems: state.problems };
  }
  throw new AgentError('NOT_FOUND', `Cannot find workload or instance "${(workload ?? name ?? '').slice(0, 200)}"`);
}

/** `POST /v1/workloads/:name/stop|start`, `DELETE /v1/workloads/:name` */
export async function order(
  deps: ApiDeps,
  name: WorkloadName,
  what: 'run' | 'stop' | 'remove',
  signal: AbortSignal,
): Promise<DesiredAnswer> {
  const { store, log } = deps;
  const done = await (what === 'remove' ? markRemoving(store, name, signal) : setDesired(store, name, what, signal));
  const { workload, changed, revision } = done;
  if (changed) log.info({ workload: name, order: what }, 'workload ordered');
  return { name, desired: workload.desired, removing: workload.removing === true, changed, revision };
}

function present(state: DesiredState, name: WorkloadName): Workload {
  const workload = state.workloads.get(name)?.value;
  if (workload !== undefined) return workload;
  const suffix = isUnitName(name) ? '' : '; a unit is named with its type, as ".service"';
  const unreadable = state.problems.length > 0 ? `: ${state.problems.join('; ')}` : suffix;
  throw new AgentError('NOT_FOUND', `Cannot find workload "${name}"${unreadable}`);
}

function isName(text: string): text is WorkloadName {
  try {
    parseWorkloadName(text);
    return true;
  } catch {
    return false;
  }
}
