import type {
  ChangeFrame,
  ClusterAnswer,
  InstanceRow,
  InstancesAnswer,
  NodeAnswer,
  NodeStateAnswer,
  NodesAnswer,
  VersionAnswer,
  WatchFrame,
} from './answers.ts';
import { type EventClient, makeEventClient } from './event-client.ts';
import { type Http, openHttp } from './http.ts';
import { type InstanceClient, makeInstanceClient } from './instance-client.ts';
import type { ListingFilter } from './listing-filter.ts';
import { makeNodeClient, type NodeClient } from './node-client.ts';
import type { ReleaseHoldAnswer, StatusAnswer, StoreDoubtsAnswer } from './status-answers.ts';
import type { ClientTarget } from './target.ts';
import { makeWorkloadClient, type WorkloadClient } from './workload-client.ts';

/** A workload as a watch shows it: the frame that came, and all its rows as of it. */
export interface WatchedWorkload extends WatchFrame {
  /** All rows, in order of instance. `rows` has those that changed with this frame. */
  readonly all: readonly InstanceRow[];
}

/**
 * The API of one agent, typed. Errors are `AgentError`s as the agent made them; `UNAVAILABLE` when it can't be reached.
 * On abort the signal's reason is thrown. Streams end when the loop over them is left.
 */
export interface Client extends WorkloadClient, NodeClient, EventClient, InstanceClient {
  version(signal: AbortSignal): Promise<VersionAnswer>;
  /** The node that answers. Works while it has not joined. */
  node(signal: AbortSignal): Promise<NodeStateAnswer>;
  /** Its state now, then each change. */
  watchNode(signal: AbortSignal): AsyncIterable<NodeStateAnswer>;
  cluster(signal: AbortSignal): Promise<ClusterAnswer>;
  /** Works while the node has not joined, and while etcd is away. */
  status(signal: AbortSignal): Promise<StatusAnswer>;
  /** `NOT_FOUND` when nothing is held. */
  releaseHold(signal: AbortSignal): Promise<ReleaseHoldAnswer>;
  /** Which nodes doubt the store. Works while the one that answers is one of them, or has not joined. */
  doubts(signal: AbortSignal): Promise<StoreDoubtsAnswer>;
  /** `CONFLICT` when no node doubts the store. */
  confirmRestore(signal: AbortSignal): Promise<StoreDoubtsAnswer>;
  nodes(filter: ListingFilter, signal: AbortSignal): Promise<NodesAnswer>;
  /** @param node its ID, the ID's first digits, or its hostname */
  inspectNode(node: string, signal: AbortSignal): Promise<NodeAnswer>;
  /** `name`: a workload's or an instance's name as people type it; `NOT_FOUND` when there's neither. */
  instances(
    filter: ListingFilter & { readonly workload?: string; readonly name?: string },
    signal: AbortSignal,
  ): Promise<InstancesAnswer>;
  /** A line now, then one whenever anything of the cluster, or of how the node that answers does, has changed. */
  watchChanges(signal: AbortSignal): AsyncIterable<ChangeFrame>;
  /** Each workload now, then whenever it changes, with what it is short of; until left. */
  watchWorkloads(names: readonly string[], signal: AbortSignal): AsyncIterable<WatchedWorkload>;
  close(): void;
}

export interface ClientOptions {
  /** How long the agent may take to begin an answer. */
  readonly timeoutMs?: number;
}

/** A client of the agent at `target`. Connects with the first request. */
export function openClient(target: ClientTarget, options: ClientOptions = {}): Client {
  const timeoutMs = options.timeoutMs ?? 30_000;
  const http = openHttp(target, { timeoutMs });
  const get = <T>(path: string, signal: AbortSignal) => http.json<T>({ method: 'GET', path }, signal);
  const post = <T>(path: string, signal: AbortSignal) => http.json<T>({ method: 'POST', path }, signal);
  return {
    version: (signal) => get('/v1/version', signal),
    node: (signal) => get('/v1/node', signal),
    watchNode: (signal) => http.stream({ method: 'GET', path: '/v1/node/watch' }, signal),
    cluster: (signal) => get('/v1/cluster', signal),
    status: (signal) => get('/v1/status', signal),
    releaseHold: (signal) => post('/v1/cluster/release-hold', signal),
    doubts: (signal) => get('/v1/cluster/doubts', signal),
    confirmRestore: (signal) => post('/v1/cluster/confirm-restore', signal),
    nodes: (filter, signal) => http.json({ method: 'GET', path: '/v1/nodes', query: { ...filter } }, signal),
    inspectNode: (node, signal) => get(`/v1/nodes/${encodeURIComponent(node)}`, signal),
    ...makeWorkloadClient(http),
    instances: (filter, signal) => http.json({ method: 'GET', path: '/v1/instances', query: { ...filter } }, signal),
    watchChanges: (signal) => http.stream({ method: 'GET', path: '/v1/changes' }, signal),
    watchWorkloads: (names, signal) => watchWorkloads(http, names, signal),
    ...makeNodeClient(http),
    ...makeEventClient(http),
    ...makeInstanceClient(http, target, timeoutMs),
    close: () => http.close(),
  };
}

async function* watchWorkloads(
  http: Http,
  names: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<WatchedWorkload> {
  const known = new Map<string, Map<string, InstanceRow>>();
  for await (const frame of http.stream<WatchFrame>({ method: 'POST', path: '/v1/watch', body: { names } }, signal)) {
    const rows = known.get(frame.workload) ?? new Map<string, InstanceRow>();
    known.set(frame.workload, rows);
    for (const id of frame.removed) rows.delete(id);
    for (const row of frame.rows) rows.set(row.id, row);
    yield { ...frame, all: [...rows.values()].sort(byInstance) };
  }
}

/** The order of `muster ps`: by workload, then by slot with numbers as numbers, then by node. */
export function byInstance(a: InstanceRow, b: InstanceRow): number {
  return compareText(a.workload, b.workload) || compareSlots(a.slot, b.slot) || compareText(a.id, b.id);
}

/** Numbers by their value. */
export function compareSlots(a: string, b: string): number {
  const numeric = /^\d{1,9}$/;
  return numeric.test(a) && numeric.test(b) ? Number(a) - Number(b) : compareText(a, b);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
