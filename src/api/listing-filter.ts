import type { DesiredState } from '../cluster/desired-state.ts';
import { AgentError } from '../domain/errors.ts';
import type { NodeId, WorkloadName } from '../domain/ids.ts';
import type { InstanceRow, NodeRow } from '../wire/answers.ts';
import { resolveNode } from './resolve-name.ts';
import type { QueryParameter, RouteRequest } from './route.ts';

const phases = ['pending', 'pulling', 'starting', 'running', 'stopping', 'stopped', 'failed', 'orphan', 'lost'];
const nodeStates = ['up', 'leaving', 'away', 'in-doubt', 'lost'];

/** What every listing can be narrowed to; all that is given must hold. */
export interface Filter {
  readonly labels: readonly (readonly [key: string, value: string])[];
  /** As it was typed. */
  readonly node: string | undefined;
  /** Any of them. */
  readonly phases: readonly string[];
}

const labelParameter = (of: string): QueryParameter => ({
  summary: `only with this label: ${of}; several: all of them`,
  example: 'zone=a',
});

/** The parameters of pages. */
export const pageQuery = {
  limit: { summary: 'at most so many, 1 to 1000; left out: all', example: '100' },
  page: { summary: 'where to go on: the `next` of the page before', example: 'WyJ3ZWIiXQ' },
} as const satisfies Readonly<Record<string, QueryParameter>>;

/** The parameters of a listing of workloads or instances. */
export const filterQuery = {
  label: labelParameter("the workload's, or that of a node that it is on"),
  node: { summary: "only on this node: its ID, the ID's first digits, or its hostname", example: 'node1' },
  phase: { summary: 'only in this phase; several: any of them', example: 'failed' },
  ...pageQuery,
} as const satisfies Readonly<Record<string, QueryParameter>>;

/** The parameters of a listing of nodes. */
export const nodeFilterQuery = {
  label: labelParameter("the node's"),
  node: filterQuery.node,
  phase: { summary: 'only in this state: up, leaving, away, in-doubt or lost; several: any of them', example: 'lost' },
  ...pageQuery,
} as const satisfies Readonly<Record<string, QueryParameter>>;

/** Throws `INVALID_INPUT` for a label that is no pair, and for a phase that there isn't. */
export function parseFilter(
  { query, queries }: Pick<RouteRequest, 'query' | 'queries'>,
  of: 'copies' | 'nodes',
): Filter {
  const known = of === 'nodes' ? nodeStates : phases;
  const asked = queries('phase');
  const wrong = asked.find((phase) => !known.includes(phase));
  if (wrong !== undefined)
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot use phase "${wrong.slice(0, 50)}": expected one of ${known.join(', ')}`,
    );
  return { labels: queries('label').map(parseLabel), node: query('node'), phases: asked };
}

function parseLabel(text: string): readonly [key: string, value: string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new AgentError('INVALID_INPUT', `Cannot use label "${text.slice(0, 100)}": expected key=value`);
}

/** True where nothing is filtered by. */
export function isEmptyFilter({ labels, node, phases: asked }: Filter): boolean {
  return labels.length === 0 && node === undefined && asked.length === 0;
}

/** Tells which copies are wanted. `NOT_FOUND` for a node that there isn't. */
export function copyFilter(state: DesiredState, filter: Filter): (row: InstanceRow) => boolean {
  const only = filter.node === undefined ? undefined : resolveNode(state, filter.node);
  return (row) => {
    if (only !== undefined && row.node?.id !== only) return false;
    if (filter.phases.length > 0 && !filter.phases.includes(row.phase)) return false;
    const own = state.workloads.get(row.workload)?.value.labels ?? {};
    const there = row.node === undefined ? {} : nodeLabels(state, row.node.id);
    return filter.labels.every(([key, value]) => own[key] === value || there[key] === value);
  };
}

/** A workload is wanted for its own labels, or for one of its copies. */
export function workloadFilter(
  state: DesiredState,
  filter: Filter,
  rowsOf: (name: WorkloadName) => readonly InstanceRow[],
): (name: WorkloadName) => boolean {
  if (isEmptyFilter(filter)) return () => true;
  const wanted = copyFilter(state, filter);
  const byLabelsAlone = filter.node === undefined && filter.phases.length === 0;
  return (name) => {
    const own = state.workloads.get(name)?.value.labels ?? {};
    if (byLabelsAlone && filter.labels.every(([key, value]) => own[key] === value)) return true;
    return rowsOf(name).some(wanted);
  };
}

/** Tells which nodes are wanted. `NOT_FOUND` for one that is named and isn't there. */
export function nodeFilter(state: DesiredState, filter: Filter): (row: NodeRow) => boolean {
  const only = filter.node === undefined ? undefined : resolveNode(state, filter.node);
  return (row) =>
    (only === undefined || row.id === only) &&
    (filter.phases.length === 0 || filter.phases.includes(row.state)) &&
    filter.labels.every(([key, value]) => row.labels[key] === value);
}

function nodeLabels(state: DesiredState, id: NodeId): Readonly<Record<string, string>> {
  const { record, settings } = state.nodes.get(id) ?? {};
  return { ...record?.labels, ...settings?.labels };
}
