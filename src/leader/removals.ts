import { nodeSettingsCodec } from '../cluster/codecs.ts';
import type { LeaderTransaction } from '../cluster/commit-as-leader.ts';
import type { Layout } from '../cluster/layout.ts';
import { type NodeId, splitInstanceKey, type WorkloadName } from '../domain/ids.ts';
import type { Log } from '../loop/log.ts';
import type { Committer } from './committer.ts';
import { PACK_LIMITS } from './pack-steps.ts';
import type { CopyEntry, NodeEntry, WorkloadEntry } from './state-entries.ts';
import { stillAbsent } from './verdicts.ts';

/** What becomes of a node that an operator says is gone for good. */
export interface RemovalChange extends LeaderTransaction {
  readonly node: NodeId;
  /** `kept`: it came back before it was forgotten. */
  readonly what: 'removed' | 'kept';
}

/** What the leader knows that this is decided on. */
interface Known {
  readonly nodes: ReadonlyMap<NodeId, NodeEntry>;
  readonly workloads: ReadonlyMap<WorkloadName, WorkloadEntry>;
}

interface RemovalParts {
  readonly layout: Layout;
  readonly log: Log;
  readonly state: Known;
  readonly committer: Pick<Committer, 'commit'>;
}

/** Commits what is to be done about such nodes; what is overtaken is looked at again in the next pass. */
export async function commitRemovals(
  { layout, log, state, committer }: RemovalParts,
  signal: AbortSignal,
): Promise<void> {
  for (const change of planRemovals(layout, state)) {
    if (!(await committer.commit(change, signal))) return;
    log.warn({ node: change.node }, change.what === 'kept' ? 'node is back, not removed' : 'node removed');
  }
}

/**
 * Forgets nodes that are gone for good once nothing is ordered there any more and no instance counts on them: what plans do first.
 * What is left, reports and orders of workloads that don't exist, goes with them. All of it compares that the node has been absent ever since.
 */
export function planRemovals(layout: Layout, { nodes, workloads }: Known): RemovalChange[] {
  const changes: RemovalChange[] = [];
  for (const node of nodes.values()) {
    const { id, settings } = node;
    if (settings.removal === undefined) continue;
    if (node.hasReturned) changes.push(keep(layout, node));
    else if (node.removal !== undefined && !isNeeded(id, node.copies.values(), workloads))
      changes.push(...forget(layout, node));
  }
  return changes;
}

function keep(layout: Layout, { id, settings, settingsRevision }: NodeEntry): RemovalChange {
  const { removal: _asked, ...others } = settings;
  const key = layout.nodeSettings(id);
  const compares = [{ key, modRevision: settingsRevision }];
  return { node: id, what: 'kept', compares, writes: [{ put: key, value: nodeSettingsCodec.encode(others) }] };
}

/** The rest in as many transactions as it takes; its own keys, by which all know it, last and together. */
function forget(layout: Layout, node: NodeEntry): RemovalChange[] {
  const { id, copies } = node;
  const compares = stillAbsent(layout, node);
  const left = [...copies.keys()].flatMap((key) => [layout.assignment(id, key), layout.status(id, key)]);
  const own = [layout.nodeRecord(id), layout.nodeSettings(id), layout.verdict(id), layout.start(id)];
  const parts = Array.from({ length: Math.ceil(left.length / PACK_LIMITS.writes) }, (_none, at) =>
    left.slice(at * PACK_LIMITS.writes, (at + 1) * PACK_LIMITS.writes),
  );
  return [...parts, own].map((keys) => {
    return { node: id, what: 'removed', compares, writes: keys.map((key) => ({ delete: key })) };
  });
}

/** Something is still ordered there, or some instance's record names it as its place. */
function isNeeded(id: NodeId, copies: Iterable<CopyEntry>, workloads: Known['workloads']): boolean {
  for (const { key, assignment } of copies) {
    if (assignment !== undefined && workloads.get(splitInstanceKey(key).workload)?.workload !== undefined) return true;
  }
  for (const { instances } of workloads.values()) {
    for (const { record } of instances.values()) {
      if (record?.value.lastNode === id || record?.value.copies.some(({ node }) => node === id) === true) return true;
    }
  }
  return false;
}
