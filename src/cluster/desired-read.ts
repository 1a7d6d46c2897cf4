import { type InstanceKey, type NodeId, splitInstanceKey, type WorkloadName } from '../domain/ids.ts';
import type { Kv, Revision } from '../etcd/port.ts';
import type { Clock } from '../loop/clock.ts';
import { DesiredState } from './desired-state.ts';
import type { Layout } from './layout.ts';
import type { SharedReads } from './shared-reads.ts';

/** A range of the layout that can be read whole. */
export type Part = 'nodes' | 'workloads' | 'instances' | 'assignments' | 'statuses' | 'election';

/** More single reads than this at once cost more than reading the whole range. */
const SINGLE_READS = 64;

/** The store as the API reads it. */
export interface StoreView {
  readonly kv: Kv;
  readonly layout: Layout;
  readonly clock: Clock;
  /** Has reads of whole ranges shared by all who ask at the same time; absent: each asks for itself. */
  readonly reads?: SharedReads<StateReading>;
}

/** What was read. It may be shared: nobody changes it. */
export interface StateReading {
  readonly state: DesiredState;
  readonly revision: Revision;
}

/** The ranges named, whole, the cluster's settings and what is held. */
export async function readState(store: StoreView, parts: readonly Part[], signal: AbortSignal): Promise<StateReading> {
  const read = (during: AbortSignal) => readRanges(store, parts, during);
  return store.reads === undefined ? read(signal) : store.reads.read(parts.join(), read, signal);
}

async function readRanges(store: StoreView, parts: readonly Part[], signal: AbortSignal): Promise<StateReading> {
  const { layout } = store;
  const state = new DesiredState(layout);
  const single = [layout.cluster, layout.hold('mass-loss')].map(async (key) => readKey(store, state, key, signal));
  const lists = parts.map(async (part) => readRange(store, state, layout[part], signal));
  const revisions = await Promise.all([...single, ...lists]);
  return { state, revision: Math.max(...revisions) };
}

/** One instance: its record, its copies and their nodes. */
export async function readInstanceState(
  store: StoreView,
  key: InstanceKey,
  signal: AbortSignal,
): Promise<DesiredState> {
  const state = new DesiredState(store.layout);
  await readKey(store, state, store.layout.instance(key), signal);
  await readMissing(store, state, [splitInstanceKey(key).workload], signal);
  return state;
}

/**
 * What concerns these workloads, and no more: their records, instances, copies and the nodes of these. Work in proportion to
 * them, not to the cluster. `revision`: everything changed since must be watched from here on.
 */
export async function readWorkloadState(
  store: StoreView,
  names: readonly WorkloadName[],
  signal: AbortSignal,
): Promise<{ readonly state: DesiredState; readonly revision: Revision }> {
  const { layout } = store;
  const state = new DesiredState(layout);
  await readKey(store, state, layout.hold('mass-loss'), signal);
  const revisions =
    names.length > SINGLE_READS
      ? await Promise.all(
          [layout.workloads, layout.instances].map(async (range) => readRange(store, state, range, signal)),
        )
      : await Promise.all(
          names.flatMap((name) => [
            readKey(store, state, layout.workload(name), signal),
            readRange(store, state, `${layout.instances}${name}/`, signal),
          ]),
        );
  await readMissing(store, state, names, signal);
  return { state, revision: Math.min(...revisions) };
}

/** Reads what the instances' records refer to and what wasn't read yet. Returns whether there was anything. */
export async function readMissing(
  store: StoreView,
  state: DesiredState,
  names: readonly WorkloadName[],
  signal: AbortSignal,
): Promise<boolean> {
  const { layout } = store;
  const copies = names.flatMap((name) => copiesOf(state, name));
  const nodes = [...new Set([...copies.map(({ node }) => node), ...names.flatMap((name) => nodesAsked(state, name))])];
  const ranges: readonly (readonly [range: string, keys: readonly string[]])[] = [
    [layout.statuses, copies.map(({ node, key }) => layout.status(node, key))],
    [layout.assignments, copies.map(({ node, key }) => layout.assignment(node, key))],
    [layout.nodes, nodes.flatMap((node) => [layout.nodeRecord(node), layout.presence(node), layout.verdict(node)])],
  ];
  const global = names.some((name) => state.workloads.get(name)?.value.scale.kind === 'global');
  const reads = ranges.flatMap(([range, keys]) => {
    if (global && range === layout.nodes && !state.hasWhole(range)) return [readRange(store, state, range, signal)];
    const missing = keys.filter((key) => !state.knows(key));
    if (missing.length <= SINGLE_READS) return missing.map(async (key) => readKey(store, state, key, signal));
    return [readRange(store, state, range, signal)];
  });
  await Promise.all(reads);
  return reads.length > 0;
}

/** The nodes that pending instances could not be placed on: people know them by their names. */
function nodesAsked(state: DesiredState, name: WorkloadName): NodeId[] {
  return [...state.instancesOf(name).values()].flatMap(({ pending }) => Object.keys(pending?.nodes ?? {}) as NodeId[]);
}

/** Where copies of a workload are by its records, and wherever else any are known. */
export function copiesOf(
  state: DesiredState,
  name: WorkloadName,
): { readonly node: NodeId; readonly key: InstanceKey }[] {
  const recorded = [...state.instancesOf(name)].flatMap(([key, record]) =>
    record.copies.map(({ node }) => ({ node, key })),
  );
  const known = [...state.copiesOf(name)].flatMap(([key, copies]) => [...copies.keys()].map((node) => ({ node, key })));
  return [...recorded, ...known].filter(({ key }) => splitInstanceKey(key).workload === name);
}

async function readKey({ kv }: StoreView, state: DesiredState, key: string, signal: AbortSignal): Promise<Revision> {
  const answer = await kv.get(key, signal);
  if (answer.kv === undefined) state.forget(key, answer.revision);
  else state.learn(answer.kv);
  return answer.revision;
}

async function readRange(
  { kv }: StoreView,
  state: DesiredState,
  range: string,
  signal: AbortSignal,
): Promise<Revision> {
  const { kvs, revision } = await kv.list(range, signal);
  for (const each of kvs) state.learn(each);
  state.learnedWhole(range);
  return revision;
}
