import type { Presence } from '../domain/node.ts';
import type { Versioned } from '../plan/cluster-view.ts';
import { KEEP_LOST_AFTER_MS, standingOf } from '../plan/plan-cluster-loss.ts';
import type { Absence, LossClock } from './loss-clock.ts';
import type { NodeEntry } from './state-entries.ts';
import { remainingUntil } from './wall-time.ts';

/** What the leader's brake has to say of a node that is gone, or about to go. */
export interface Braking {
  /** How long nobody knows yet whether others vanished with it. */
  judgedInMs(node: NodeEntry, nowMs: number): number;
  /** How long what it ran is held. */
  heldForMs(node: NodeEntry, nowMs: number): number;
}

/** An agent that has taken presence has looked at its runtimes so soon, and said what is no longer so. */
const FIRST_REPORT_MS = 3_000;

/** For a view that nothing holds. */
export const noBrake: Braking = { judgedInMs: () => 0, heldForMs: () => 0 };

/** Says of an absent node what the time makes of it; true when that changes what may become of its work. */
export function ageAbsent(node: NodeEntry, absence: Absence | undefined, nowMs: number, brake: Braking): boolean {
  const { forMs = 0, trustInMs = 0 } = absence ?? {};
  const heldForMs = brake.heldForMs(node, nowMs);
  const unknownForMs = Math.max(trustInMs, brake.judgedInMs(node, nowMs));
  node.isHeld = heldForMs > 0;
  node.isGone = Math.max(unknownForMs, KEEP_LOST_AFTER_MS - forMs) <= 0;
  node.absentForMs = forMs;
  node.stopsEndInMs = Math.max(0, (node.handover?.untilMs ?? nowMs) - nowMs);
  node.trustAbsenceInMs = Math.max(unknownForMs, heldForMs);
  const before = node.lossLevel;
  node.lossLevel = Number(standingOf(node, 'keep') === 'lost') + Number(standingOf(node, 'stop') === 'lost');
  return node.lossLevel !== before;
}

/**
 * Its presence isn't there. Where it registered since that was last seen, it was there meanwhile: its absence begins anew, and how long a
 * lease its agent left is known from the record alone, as of a node that nobody has seen go.
 */
export function noteAbsent(node: NodeEntry, lossClock: LossClock, nowMs: number, agentAwayMs: number): void {
  const { id, recordRevision, absentRecordRevision = recordRevision } = node;
  const cameAndWent = recordRevision > absentRecordRevision;
  if (cameAndWent) {
    lossClock.present(id);
    node.handover = undefined;
    node.leftInOrder = false;
  }
  const isWitnessed = lossClock.absent(id, nowMs, node.isStillLost) && !cameAndWent;
  // Of one that was seen to go, that its agent had left a longer lease may have come with its end: the record has it.
  const leftMs = node.handoverMs ?? (isWitnessed ? 0 : agentAwayMs);
  if (leftMs > 0) node.handover ??= { revision: 0, untilMs: nowMs + leftMs };
  node.absentRecordRevision = recordRevision;
  node.seenNonce = '';
}

/** Says of a node whose agent has come how long its first report may take; false when it has had that time. */
export function ageArrival(node: NodeEntry, nowMs: number): boolean {
  node.reportsInMs = Math.max(0, node.arrivedAtMs + FIRST_REPORT_MS - nowMs);
  return node.reportsInMs > 0;
}

/** Its presence is there: nothing of its absence counts any more. True for {@link FIRST_REPORT_MS} after its agent has come. */
export function notePresent(
  node: NodeEntry,
  presence: Versioned<Presence>,
  lossClock: LossClock,
  nowMs: number,
): boolean {
  lossClock.present(node.id);
  noteHandover(node, presence, nowMs);
  const { nonce } = presence.value;
  if (node.seenNonce !== undefined && node.seenNonce !== nonce) node.arrivedAtMs = nowMs;
  node.seenNonce = nonce;
  node.absentRecordRevision = undefined;
  node.absentForMs = undefined;
  node.trustAbsenceInMs = 0;
  node.stopsEndInMs = 0;
  node.lossLevel = 0;
  node.isGone = false;
  if (presence.value.state !== 'leaving') node.isHeld = false;
  return ageArrival(node, nowMs);
}

/**
 * An agent that goes for a while leaves a longer lease, and `stop` instances may run as long as that would last: also when the
 * store drops it before its time.
 */
export function noteHandover(node: NodeEntry, presence: Versioned<Presence>, nowMs: number): void {
  const { value, revision } = presence;
  if (value.state !== 'away') node.handover = undefined;
  else if (node.handover?.revision !== revision) node.handover = { revision, untilMs: nowMs + value.ttlMs };
}

/** The same of a node that shuts down. */
export function ageLeaving(node: NodeEntry, nowMs: number, brake: Braking): boolean {
  const before = node.isHeld;
  node.isHeld = brake.heldForMs(node, nowMs) > 0;
  return node.isHeld !== before;
}

/** The same of a node that came and went. */
export function ageCalm(node: NodeEntry, nowMs: number, nowIso: string, atMostMs: number): boolean {
  const { calmUntil: until, flaps = 1 } = node.verdict ?? {};
  const before = node.calm;
  if (until === undefined) node.calm = undefined;
  else {
    node.calmEndsAtMs ??= nowMs + remainingUntil(until, nowIso, atMostMs);
    node.calm = nowMs < node.calmEndsAtMs ? { until, flaps } : undefined;
  }
  return (node.calm === undefined) !== (before === undefined);
}
