import { nodeVerdictCodec } from '../cluster/codecs.ts';
import type { LeaderTransaction } from '../cluster/commit-as-leader.ts';
import type { Layout } from '../cluster/layout.ts';
import type { NodeId } from '../domain/ids.ts';
import { standingOf } from '../plan/plan-cluster-loss.ts';
import type { NodeEntry } from './state-entries.ts';

/** A verdict to write or to take back. */
export interface VerdictChange extends LeaderTransaction {
  readonly node: NodeId;
  readonly lost: boolean;
}

/**
 * Declares nodes lost in the store, so that the next leader needn't wait to know it, and takes that back when they return. Each is
 * a change of its own: one that is overtaken holds up no other.
 */
export function planVerdicts(layout: Layout, nodes: Iterable<NodeEntry>, nowIso: string): VerdictChange[] {
  const changes: VerdictChange[] = [];
  for (const node of nodes) {
    const key = layout.verdict(node.id);
    if (node.presence !== undefined) {
      if (node.hasVerdict) changes.push({ node: node.id, lost: false, compares: [], writes: [{ delete: key }] });
    } else if (!node.hasVerdict && node.record !== undefined && standingOf(node, 'keep') === 'lost') {
      const compares = [{ key: layout.presence(node.id), modRevision: 0 }];
      const value = nodeVerdictCodec.encode({ lostSince: nowIso });
      changes.push({ node: node.id, lost: true, compares, writes: [{ put: key, value }] });
    }
  }
  return changes;
}
