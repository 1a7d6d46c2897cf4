import type { Layout } from '../cluster/layout.ts';
import { type NodeId, splitInstanceKey } from '../domain/ids.ts';
import { isUnordered } from '../plan/cluster-view.ts';
import type { NodeEntry } from './state-entries.ts';
import { type VerdictChange, writeVerdict } from './verdicts.ts';

/** Notes which nodes that drain are empty by now, by what was seen on them and not by what was ordered; and takes it back. */
export function planDrained(layout: Layout, nodes: Iterable<NodeEntry>, nowIso: string): VerdictChange[] {
  const changes: VerdictChange[] = [];
  for (const node of nodes) {
    const isNoted = node.verdict?.drainedSince !== undefined;
    if (!isNoted && !node.settings.draining) continue;
    const isSo = node.record !== undefined && node.settings.draining && isEmpty(node);
    if (isSo === isNoted || isVerdictOld(node)) continue;
    const { drainedSince: _before, ...verdict } = node.verdict ?? {};
    const write = writeVerdict(layout, node, isSo ? { ...verdict, drainedSince: nowIso } : verdict);
    changes.push({ node: node.id, what: isSo ? 'drained' : 'filled', compares: [], writes: [write] });
  }
  return changes;
}

/** It came and went since: written anew, the verdict would seem to be of its present absence. That it's lost again is written first. */
function isVerdictOld(node: NodeEntry): boolean {
  return node.presence === undefined && node.hasVerdict && !node.isStillLost;
}

/** Nothing is ordered there, and nothing was seen there without an order, but what was to stay. */
function isEmpty({ id, copies, settings }: NodeEntry): boolean {
  const stays = (slot: string) => settings.drain?.keepGlobal === true && isOfNode(slot, id);
  return copies.values().every((copy) => {
    return (copy.assignment === undefined && !isUnordered(copy)) || stays(splitInstanceKey(copy.key).slot);
  });
}

function isOfNode(slot: string, id: NodeId): boolean {
  return slot === (id as string);
}
