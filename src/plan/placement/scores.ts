import type { NodeId } from '../../domain/ids.ts';
import type { NodeView } from '../cluster-view.ts';
import type { Seeker } from './rules.ts';
import type { NodeUsage } from './usage.ts';

/** A node that could take the instance, with what scores are made of. */
export interface Candidate {
  readonly node: NodeView;
  readonly usage: NodeUsage;
  readonly zone: string;
}

/** What a score may look at besides the candidate. */
export interface ScoreScope {
  readonly seeker: Seeker;
  /** Where the instance runs unordered, or last ran. */
  readonly preferred: ReadonlyMap<NodeId, number>;
  /** Instances of this workload by zone. */
  readonly zones: ReadonlyMap<string, number>;
  /** Where copies of this very instance are: they don't count against their node and zone. */
  readonly own: ReadonlySet<NodeId>;
  readonly ownZones: ReadonlyMap<string, number>;
}

/** Lower is better; a later score decides only between equals. Nodes come in order of their IDs, which is the last. */
export type Score = (candidate: Candidate, scope: ScoreScope) => number;

/** The label that spreads instances over zones. */
export const ZONE_LABEL = 'zone';

/** The scores, the weightiest first. */
export const placementScores: readonly Score[] = [
  // Where it runs or ran already: no restart, warm caches, its data.
  ({ node }, { preferred }) => (preferred.size === 0 ? 0 : -(preferred.get(node.id) ?? 0)),
  // Fewest of this workload on the node.
  ({ node, usage }, { seeker, own }) => usage.countOf(seeker.workloadName) - (own.has(node.id) ? 1 : 0),
  // Fewest of this workload in the zone.
  ({ zone }, { zones, ownZones }) => (zones.get(zone) ?? 0) - (ownZones.get(zone) ?? 0),
  // Fewest instances.
  ({ usage }) => usage.count,
  // Least of its memory reserved.
  ({ node, usage }) => usage.memoryBytes / Math.max(1, node.record?.capacity.memoryBytes ?? 0),
];
