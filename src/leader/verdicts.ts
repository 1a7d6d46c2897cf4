import { nodeVerdictCodec } from '../cluster/codecs.ts';
import type { LeaderTransaction } from '../cluster/commit-as-leader.ts';
import type { Layout } from '../cluster/layout.ts';
import type { NodeId } from '../domain/ids.ts';
import type { CalmSettings, NodeVerdict } from '../domain/node.ts';
import type { Log } from '../loop/log.ts';
import type { NodeEntry } from './state-entries.ts';
import { isoAfter, millisecondsBetween } from './wall-time.ts';

/** A verdict to write or to take back. */
export interface VerdictChange extends LeaderTransaction {
  readonly node: NodeId;
  /** `forgotten`: it has been calm for so long that nothing of its losses counts any more. `filled`: it isn't drained any more. */
  readonly what: 'lost' | 'back' | 'forgotten' | 'drained' | 'filled';
}

/** Tells of a verdict that is committed. */
export function logVerdict(log: Log, { what, node }: VerdictChange): void {
  if (what === 'lost') log.warn({ node }, 'node lost');
  else if (what === 'back') log.info({ node }, 'node is back');
  else if (what === 'drained') log.info({ node }, 'node drained');
}

/** So long without a loss takes one off the count of losses. */
const DECAY_MS = 3_600_000;

/** None after the first loss, then the first calm, doubled with each further loss up to the longest. */
export function calmMs(flaps: number, { firstMs, mostMs }: CalmSettings): number {
  return flaps < 2 ? 0 : Math.min(mostMs, firstMs * 2 ** (flaps - 2));
}

/** Declares nodes lost in the store, so that the next leader needn't wait to know it. One that is overtaken holds up no other. */
export function planLosses(layout: Layout, absent: Iterable<NodeEntry>, nowIso: string): VerdictChange[] {
  const changes: VerdictChange[] = [];
  for (const node of absent) {
    if (node.isStillLost || node.record === undefined || !node.isGone) continue;
    const compares = stillAbsent(layout, node);
    changes.push({
      node: node.id,
      what: 'lost',
      compares,
      writes: [writeVerdict(layout, node, lostVerdict(node, nowIso))],
    });
  }
  return changes;
}

/**
 * Takes verdicts back when nodes return: what is left of them is how often they were lost of late, and how long they get no new work
 * for it. Must be seen before anything is planned.
 */
export function planReturns(
  layout: Layout,
  nodes: Iterable<NodeEntry>,
  nowIso: string,
  calm: CalmSettings,
): VerdictChange[] {
  const changes: VerdictChange[] = [];
  for (const node of nodes) {
    const { id, presence, verdict } = node;
    if (presence === undefined || verdict === undefined) continue;
    if (node.hasVerdict)
      changes.push({
        node: id,
        what: 'back',
        compares: [],
        writes: [writeVerdict(layout, node, backVerdict(node, nowIso, calm))],
      });
    else if (verdict.calmUntil !== undefined && flapsOf(verdict, nowIso) === 0)
      changes.push({ node: id, what: 'forgotten', compares: [], writes: [writeVerdict(layout, node, drainOf(node))] });
  }
  return changes;
}

/** Its presence is gone, and it has not registered since that was seen. */
export function stillAbsent(layout: Layout, { id, recordRevision }: NodeEntry): LeaderTransaction['compares'] {
  return [
    { key: layout.presence(id), modRevision: 0 },
    { key: layout.nodeRecord(id), modRevision: recordRevision },
  ];
}

/** One that says nothing is none. */
export function writeVerdict(
  layout: Layout,
  { id }: NodeEntry,
  verdict: NodeVerdict,
): LeaderTransaction['writes'][number] {
  const key = layout.verdict(id);
  return Object.keys(verdict).length === 0 ? { delete: key } : { put: key, value: nodeVerdictCodec.encode(verdict) };
}

/** A machine that said that it goes down, and one that many others vanished with, doesn't flap. */
function lostVerdict(node: NodeEntry, nowIso: string): NodeVerdict {
  const { verdict, leftInOrder, isHeld } = node;
  const flaps = flapsOf(verdict, nowIso) + (leftInOrder || isHeld ? 0 : 1);
  return { lostSince: nowIso, ...(flaps === 0 ? {} : { flaps }), ...drainOf(node) };
}

function backVerdict(node: NodeEntry, nowIso: string, calm: CalmSettings): NodeVerdict {
  const flaps = node.verdict?.flaps ?? 0;
  return { ...(flaps === 0 ? {} : { flaps, calmUntil: isoAfter(nowIso, calmMs(flaps, calm)) }), ...drainOf(node) };
}

/** What its losses don't change. */
function drainOf({ verdict }: NodeEntry): Pick<NodeVerdict, 'drainedSince'> {
  const { drainedSince } = verdict ?? {};
  return drainedSince === undefined ? {} : { drainedSince };
}

/** Losses of late: each hour since it's trusted again takes one off. */
function flapsOf(verdict: NodeVerdict | undefined, nowIso: string): number {
  const { flaps = 0, calmUntil } = verdict ?? {};
  const calmForMs = calmUntil === undefined ? 0 : (millisecondsBetween(calmUntil, nowIso) ?? 0);
  return Math.max(0, flaps - Math.floor(Math.max(0, calmForMs) / DECAY_MS));
}
