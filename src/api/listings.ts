import { type Part, readState, readWorkloadState } from '../cluster/desired-read.ts';
import type { DesiredState } from '../cluster/desired-state.ts';
import { AgentError } from '../domain/errors.ts';
import { parseWorkloadName, type WorkloadName } from '../domain/ids.ts';
import type {
  InstanceRow,
  InstancesAnswer,
  NodeRow,
  NodesAnswer,
  WorkloadRow,
  WorkloadsAnswer,
} from '../wire/answers.ts';
import { compareSlots } from '../wire/client.ts';
import { type RowFacts, readRows } from './copy-rows.ts';
import { countAssignments, nodeRow, workloadRow } from './details.ts';
import { parseFilter } from './filter-query.ts';
import { copyFilter, isEmptyFilter, nodeFilter, workloadFilter } from './listing-filter.ts';
import { compareTexts, type Order, type Page, paginate } from './pagination.ts';
import { candidateWorkloads, rowsNamed } from './resolve-name.ts';
import type { RouteRequest } from './route.ts';

/** All that is needed to say what runs where. */
export const everything: readonly Part[] = ['nodes', 'workloads', 'instances', 'assignments', 'statuses', 'election'];

const nodeOrder: Order<NodeRow> = { keyOf: ({ hostname, id }) => [hostname, id], compare: compareTexts };

const nameOrder: Order<WorkloadName> = { keyOf: (name) => [name], compare: compareTexts };

/** As {@link byInstance}. */
const copyOrder: Order<InstanceRow> = {
  keyOf: ({ workload, slot, id }) => [workload, slot, id],
  compare: ([a = '', x = '', ...more], [b = '', y = '', ...others]) =>
    compareTexts([a], [b]) || compareSlots(x, y) || compareTexts(more, others),
};

/** `GET /v1/nodes` */
export async function getNodes(request: RouteRequest): Promise<NodesAnswer> {
  const filter = parseFilter(request, 'nodes');
  const { state } = await readState(request.deps.store, ['nodes', 'assignments', 'election'], request.signal);
  const counts = countAssignments(state);
  const rows = [...state.nodes.keys()].flatMap((id) => nodeRow(state, id, counts.get(id) ?? 0) ?? []);
  const wanted = rows.filter(nodeFilter(state, filter));
  const sorted = wanted.sort((a, b) => nodeOrder.compare(nodeOrder.keyOf(a), nodeOrder.keyOf(b)));
  const page = paginate(sorted, nodeOrder, request);
  return { nodes: page.rows, ...nextOf(page), problems: state.problems };
}

/** `GET /v1/workloads` */
export async function getWorkloads(request: RouteRequest): Promise<WorkloadsAnswer> {
  const filter = parseFilter(request, 'copies');
  const { state } = await readState(request.deps.store, everything, request.signal);
  const known = new Map<WorkloadName, readonly RowFacts[]>();
  const factsOf = (name: WorkloadName) => {
    const facts = known.get(name) ?? readRows(state, name);
    known.set(name, facts);
    return facts;
  };
  const isWanted = workloadFilter(state, filter, (name) => factsOf(name).map(({ row }) => row));
  const page = paginate([...state.workloads.keys()].sort().filter(isWanted), nameOrder, request);
  const workloads = page.rows.flatMap((name): WorkloadRow[] => {
    const row = workloadRow(state, name, factsOf(name));
    return row === undefined ? [] : [row];
  });
  return { workloads, ...nextOf(page), problems: state.problems };
}

/** `GET /v1/instances` */
export async function getInstances(request: RouteRequest): Promise<InstancesAnswer> {
  const { query } = request;
  const filter = parseFilter(request, 'copies');
  const named = { workload: query('workload'), name: query('name') };
  const { state, rows } = await readNamed(request, named, isEmptyFilter(filter));
  const page = paginate(rows.filter(copyFilter(state, filter)), copyOrder, request);
  return { rows: page.rows, ...nextOf(page), problems: state.problems };
}

interface Named {
  readonly workload: string | undefined;
  readonly name: string | undefined;
}

/** The copies of a name, or all; `isNarrow`: nothing but what concerns the name is needed. */
async function readNamed(
  { deps, signal }: RouteRequest,
  { workload, name }: Named,
  isNarrow: boolean,
): Promise<{ readonly state: DesiredState; readonly rows: readonly InstanceRow[] }> {
  const rowsOf = (state: DesiredState, names: readonly WorkloadName[]) =>
    names.flatMap((each) => readRows(state, each).map(({ row }) => row));
  if (workload === undefined && name === undefined) {
    const { state } = await readState(deps.store, everything, signal);
    return { state, rows: rowsOf(state, state.names()) };
  }
  const names = workload === undefined ? candidateWorkloads(name ?? '').filter(isName) : [parseWorkloadName(workload)];
  const { state } = await (isNarrow
    ? readWorkloadState(deps.store, names, signal)
    : readState(deps.store, everything, signal));
  const all = rowsOf(state, names);
  const found = name === undefined ? all : rowsNamed(all, name);
  const isKnown = names.some((each) => state.workloads.has(each) && each === (workload ?? name));
  if (found.length > 0 || isKnown) return { state, rows: found };
  throw new AgentError('NOT_FOUND', `Cannot find workload or instance "${(workload ?? name ?? '').slice(0, 200)}"`);
}

function nextOf({ next }: Page<unknown>): { readonly next?: string } {
  return next === undefined ? {} : { next };
}

function isName(text: string): text is WorkloadName {
  try {
    parseWorkloadName(text);
    return true;
  } catch {
    return false;
  }
}
