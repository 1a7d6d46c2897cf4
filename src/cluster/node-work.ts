import { errorCodeOf } from '../domain/errors.ts';
import type { NodeId } from '../domain/ids.ts';
import type { Range, Revision, WatchBatch } from '../etcd/port.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { StoreView } from './desired-read.ts';
import { DesiredState } from './desired-state.ts';
import { parseNodeInstancePath } from './layout.ts';

/** More single reads than this at once cost more than reading the whole range. */
const SINGLE_READS = 64;

/** How long to wait for a store that doesn't answer. */
const RETRY_MS = 1_000;

/** What is on one node: the nodes, its orders and reports, and the records of the instances that these are of. */
export async function readNodeWork(
  store: StoreView,
  node: NodeId,
  signal: AbortSignal,
): Promise<{ readonly state: DesiredState; readonly revision: Revision }> {
  const { kv, layout } = store;
  const state = new DesiredState(layout);
  const ranges = [layout.nodes, layout.assignmentsOf(node), layout.statusesOf(node)];
  const lists = await Promise.all(ranges.map(async (range) => ({ range, ...(await kv.list(range, signal)) })));
  const instances = new Set<string>();
  for (const { range, kvs } of lists) {
    for (const each of kvs) state.learn(each);
    state.learnedWhole(range);
    if (range === layout.nodes) continue;
    const above = range === layout.assignmentsOf(node) ? layout.assignments : layout.statuses;
    for (const { key } of kvs) instances.add(instanceOf(above, key) ?? '');
  }
  instances.delete('');
  if (instances.size > SINGLE_READS)
    for (const each of (await kv.list(layout.instances, signal)).kvs) state.learn(each);
  else {
    const found = await Promise.all([...instances].map(async (key) => kv.get(`${layout.instances}${key}`, signal)));
    for (const { kv: each } of found) if (each !== undefined) state.learn(each);
  }
  return { state, revision: Math.min(...lists.map(({ revision }) => revision)) };
}

/** Calls after each change of what is on a node, or of an instance's record, until the signal aborts. A store that's away is awaited. */
export async function watchNodeWork(
  store: StoreView,
  node: NodeId,
  from: Revision,
  onChange: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { kv, layout, clock } = store;
  const own = [layout.nodes, layout.assignmentsOf(node), layout.statusesOf(node), layout.instances];
  const ranges = own.map((prefix): Range => ({ prefix }));
  for (let next = from; !signal.aborted; ) {
    using stop = new ChildAbort(signal);
    const onBatch = (batch: WatchBatch) => {
      next = Math.max(next, batch.revision + 1);
      if (batch.events.length > 0) onChange();
    };
    const begunAt = next;
    const watches = ranges.map(async (range) => kv.watch(range, begunAt, onBatch, stop.signal));
    const [first] = await Promise.allSettled([Promise.race(watches)]);
    stop.abort();
    const ends = await Promise.allSettled(watches);
    if (signal.aborted) return;
    const errors = [first, ...ends].flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
    if (errors.some((error) => errorCodeOf(error) === 'STALE')) next = (await kv.identity(signal)).revision + 1;
    else await clock.sleep(RETRY_MS, signal);
    onChange();
  }
}

function instanceOf(range: string, key: string): string | undefined {
  try {
    return parseNodeInstancePath(range, key).instance;
  } catch {
    return undefined; // a key that isn't ours
  }
}
