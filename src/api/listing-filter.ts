import type { DesiredState } from '../cluster/desired-state.ts';
import type { NodeId, WorkloadName } from '../domain/ids.ts';
import type { InstanceRow, NodeRow } from '../wire/answers.ts';
import { resolveNode } from './resolve-name.ts';

/** What every listing can be narrowed to; all that is given must hold. */
export interface Filter {
  readonly labels: readonly (readonly [key: string, value: string])[];
  /** As it was typed. */
  readonly node: string | undefined;
  /** Any of them. */
  readonly phases: readonly string[];
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

/** A node is wanted for its own labels, where no phase is asked for, or for one of the copies on it. */
export function hostFilter(
  state: DesiredState,
  { labels, node, phases: asked }: Filter,
  wanted: readonly InstanceRow[],
): (id: NodeId) => boolean {
  const only = node === undefined ? undefined : resolveNode(state, node);
  const hosts = new Set(wanted.flatMap((row) => row.node?.id ?? []));
  return (id) => {
    if (only !== undefined && id !== only) return false;
    const own = nodeLabels(state, id);
    return hosts.has(id) || (asked.length === 0 && labels.every(([key, value]) => own[key] === value));
  };
}

/** A node's own labels, and over them those that operators have set. */
export function nodeLabels(state: DesiredState, id: NodeId): Readonly<Record<string, string>> {
  const { record, settings } = state.nodes.get(id) ?? {};
  return { ...record?.labels, ...settings?.labels };
}
