import type { NodeId } from '../../domain/ids.ts';
import type { NodeView } from '../cluster-view.ts';
import { type PlacementRule, placementRules, type Seeker } from './rules.ts';
import { type Candidate, placementScores, type ScoreScope } from './scores.ts';

/** Most nodes whose reasons are stored with a pending instance; the summary counts all. */
const NODES_EXPLAINED = 50;

const nodeRules = placementRules.filter((rule) => rule.of === 'node');
const roomRules = placementRules.filter((rule) => rule.of === 'room');

/** Why no node could be found. */
export interface NoNode {
  readonly reason: string;
  /** By node ID. */
  readonly nodes: Readonly<Record<string, string>>;
  /** Another instance of this workload would get the same answer, as long as nothing else changes. */
  readonly forAllSlots: boolean;
}

/** True for a node that would take this workload were it empty. */
export function isCandidate(seeker: Seeker, node: NodeView): boolean {
  return nodeRules.every((rule) => rule.fits(seeker, node));
}

/** The best of the candidates that fit, or undefined. Candidates come in order of their node IDs. */
export function chooseNode(
  candidates: readonly Candidate[],
  scope: ScoreScope,
  only: ReadonlySet<NodeId> | undefined,
): Candidate | undefined {
  let best: Candidate | undefined;
  let bestScores: number[] = [];
  for (const candidate of candidates) {
    if (only !== undefined && !only.has(candidate.node.id)) continue;
    // Most candidates are no better than the best so far: that's cheaper to see than whether they have room.
    const scores = best === undefined ? scoresOf(candidate, scope) : betterScores(candidate, scope, bestScores);
    if (scores === undefined || !hasRoom(candidate, scope.seeker)) continue;
    best = candidate;
    bestScores = scores;
  }
  return best;
}

/** Why none of the nodes fits: the first rule that each one breaks. */
export function explainNoNode(seeker: Seeker, nodes: readonly Candidate[]): NoNode {
  const reasons: Record<string, string> = {};
  const counts = new Map<string, number>();
  let forAllSlots = true;
  let explained = 0;
  for (const { node, usage } of nodes) {
    const broken = brokenRule(seeker, node, usage);
    if (broken?.of === 'room' && broken.perSlot) forAllSlots = false;
    const why = broken?.why(seeker, node, usage) ?? 'not asked';
    counts.set(why, (counts.get(why) ?? 0) + 1);
    if (explained < NODES_EXPLAINED) reasons[node.id] = why;
    explained += 1;
  }
  return { reason: summarize(nodes.length, counts), nodes: reasons, forAllSlots };
}

function hasRoom({ node, usage }: Candidate, seeker: Seeker): boolean {
  return roomRules.every((rule) => rule.fits(seeker, node, usage));
}

function brokenRule(seeker: Seeker, node: NodeView, usage: Candidate['usage']): PlacementRule | undefined {
  return placementRules.find((rule) => !rule.fits(seeker, node, usage));
}

function summarize(total: number, counts: ReadonlyMap<string, number>): string {
  if (total === 0) return 'there is no node';
  const most = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, 3);
  return `none of ${total} ${total === 1 ? 'node' : 'nodes'} fits: ${most.map(([why, count]) => `${count} ${why}`).join(', ')}`;
}

function scoresOf(candidate: Candidate, scope: ScoreScope): number[] {
  return placementScores.map((score) => score(candidate, scope));
}

/** The candidate's scores when they beat `best`, else undefined. */
function betterScores(candidate: Candidate, scope: ScoreScope, best: readonly number[]): number[] | undefined {
  for (let index = 0; index < placementScores.length; index += 1) {
    const mine = placementScores[index]?.(candidate, scope) ?? 0;
    const theirs = best[index] ?? 0;
    if (mine > theirs) return undefined;
    if (mine < theirs) return scoresOf(candidate, scope);
  }
  return undefined;
}

/** Why an instance must leave the node that it is on, or undefined. */
export function evictionReason(seeker: Seeker, node: NodeView, usage: Candidate['usage']): string | undefined {
  if (node.record === undefined) return undefined;
  return placementRules.find((rule) => rule.evicts?.(seeker, node, usage) === true)?.why(seeker, node, usage);
}

/** Why a node doesn't match a workload any more, whatever else is on it, or undefined. */
export function nodeEvictionReason(seeker: Seeker, node: NodeView): string | undefined {
  if (node.record === undefined) return undefined;
  return nodeRules.find((rule) => rule.evicts?.(seeker, node) === true)?.why(seeker, node);
}
