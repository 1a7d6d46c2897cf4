import type { NodeId } from '../domain/ids.ts';
import type { CalmSettings, ClusterSettings, Hold, MassLossSettings } from '../domain/node.ts';
import { isoAfter } from './wall-time.ts';

/** Part of a hold's duration that is waited for stragglers once enough nodes are back. */
const STRAGGLERS_PART = 0.25;

/** What one may set of it, with what isn't set. */
export function massLossSettings({ massLoss, ttlMs }: Pick<ClusterSettings, 'massLoss' | 'ttlMs'>): MassLossSettings {
  return { share: 1 / 3, nodes: 2, holdMs: 2 * ttlMs + 30_000, ...massLoss };
}

/** The same of the calm of flapping nodes. */
export function calmSettings({ calm }: Pick<ClusterSettings, 'calm'>): CalmSettings {
  return { firstMs: 30_000, mostMs: 30 * 60_000, ...calm };
}

/** True when so many of the nodes that were there are too many to be replaced at once. */
export function isMassLoss(count: number, known: number, { share, nodes }: MassLossSettings): boolean {
  return count >= nodes && count > share * known;
}

/** What is known when it's to be decided whether something is held. */
export interface HoldFacts {
  readonly nowIso: string;
  readonly settings: MassLossSettings;
  /** Nodes that are there, and those that were until a short while ago. */
  readonly known: number;
  /** Lost within a hold's duration, or leaving, and not part of a hold that is over. */
  readonly gone: ReadonlySet<NodeId>;
  /** Of these: what it ran is about to be replaced, and nobody has said yet that it may. */
  readonly due: ReadonlySet<NodeId>;
  /** Present, but has missed a renewal of its lease. */
  readonly silent: ReadonlySet<NodeId>;
  /** The store answered nobody for so long, and not long ago. */
  readonly storeWasAwayMs: number | undefined;
}

/** What is known of a hold that goes on. */
export interface ActiveFacts {
  readonly remainingMs: number;
  /** Its nodes that are gone or leaving. */
  readonly going: number;
  /** The same, and those that may be about to go. */
  readonly still: number;
  /** Since the last of its nodes came back, or went again after others had; undefined: none has come. */
  readonly returnedForMs: number | undefined;
}

/** The hold to begin before any of the nodes that are due may be replaced; undefined: they may. */
export function holdToBegin(facts: HoldFacts): Hold | undefined {
  const { nowIso, settings, known, gone, due, silent, storeWasAwayMs } = facts;
  if (due.size === 0) return undefined;
  const nodes = [...new Set([...gone, ...silent])].sort();
  const isMass = isMassLoss(nodes.length, known, settings);
  if (!isMass && storeWasAwayMs === undefined) return undefined;
  const unrenewed = nodes.length - gone.size;
  const reason = isMass
    ? `${nodes.length} of ${known} nodes vanished together${unrenewed > 0 ? `, ${unrenewed} of them by a missed renewal` : ''}`
    : `etcd was away for ${Math.round((storeWasAwayMs ?? 0) / 1_000)} s and ${gone.size} of ${known} nodes is not back`;
  return { kind: 'mass-loss', since: nowIso, until: isoAfter(nowIso, settings.holdMs), reason, nodes };
}

/** How the hold changes: it ends, or takes in what was lost since; undefined: not at all. */
export function changeOfHold(hold: Hold, facts: HoldFacts, active: ActiveFacts): Hold | undefined {
  const why = endOfHold(facts, active);
  if (why !== undefined) return { ...hold, ended: { at: facts.nowIso, reason: why } };
  const more = [...facts.due].filter((node) => !hold.nodes.includes(node));
  return more.length === 0 ? undefined : { ...hold, nodes: [...hold.nodes, ...more].sort() };
}

function endOfHold({ settings, known }: HoldFacts, { remainingMs, going, still, returnedForMs }: ActiveFacts) {
  if (going === 0) return 'all of its nodes are back';
  if (remainingMs <= 0) return 'its time is over';
  const isEnough = returnedForMs !== undefined && !isMassLoss(still, known, settings);
  return isEnough && returnedForMs >= stragglersMs(settings) ? 'enough of its nodes are back' : undefined;
}

/** How long others may still come back once enough have: machines that lost power together don't boot at one moment. */
export function stragglersMs({ holdMs }: MassLossSettings): number {
  return STRAGGLERS_PART * holdMs;
}
