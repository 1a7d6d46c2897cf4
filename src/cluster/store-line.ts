import * as v from 'valibot';
import type { ClusterSettings, StoreLine } from '../domain/node.ts';
import type { Revision } from '../etcd/port.ts';

/** What an agent knows of its store, and keeps from one process to the next. */
export interface KnownStore {
  /** How far the store had come when it was last trusted. */
  readonly line: StoreLine;
  /** The highest epoch seen. */
  readonly epoch: number;
  /** What answers in its place, where that is an older or another store: until an operator has confirmed it. */
  readonly doubt?: StoreLine;
}

/** Whether one store can have come from the first line to the second: nothing went back. */
export function isContinuation(earlier: StoreLine, later: StoreLine): boolean {
  return (
    later.clusterId === earlier.clusterId && later.raftTerm >= earlier.raftTerm && later.revision >= earlier.revision
  );
}

/**
 * What is known once the store has been found at a line. It's in doubt when it isn't the continuation of what was known, or doesn't know
 * the last confirmation: a copy from before that may have come further than the store that was confirmed. That ends
 * when its settings carry an epoch higher than any known and a confirmed line of which it is the continuation: what was known is
 * then forgotten. A store of another cluster ID is also out of doubt once the known one answers again; one that went back isn't
 * when it has grown past what was known: it has become another on the way.
 */
export function judgeStore(
  known: KnownStore | undefined,
  found: StoreLine,
  settings: Pick<ClusterSettings, 'epoch' | 'confirmedStore'>,
): KnownStore {
  if (known === undefined) return { line: found, epoch: settings.epoch };
  const { line, doubt } = known;
  const goesOn = isContinuation(line, found) && settings.epoch >= known.epoch;
  const trusted = { line: found, epoch: Math.max(known.epoch, settings.epoch) };
  if (doubt === undefined && goesOn) return trusted;
  if (isConfirmed(known, found, settings)) return trusted;
  if (doubt === undefined || doubt.clusterId !== found.clusterId) {
    const isBack = doubt !== undefined && doubt.clusterId !== line.clusterId && goesOn;
    return isBack ? trusted : { ...known, doubt: found };
  }
  return known;
}

function isConfirmed(
  known: KnownStore,
  found: StoreLine,
  { epoch, confirmedStore }: Pick<ClusterSettings, 'epoch' | 'confirmedStore'>,
): boolean {
  return epoch > known.epoch && confirmedStore !== undefined && isContinuation(confirmedStore, found);
}

/**
 * What is known once the store has been judged, where a linearizable answer told of less than was known: it has been set back, however far
 * it has come since, unless it was confirmed after that.
 */
export function asFallen(before: KnownStore | undefined, judged: KnownStore, fellTo: Revision | undefined): KnownStore {
  const isJudged = before?.doubt !== undefined || judged.doubt !== undefined || judged.epoch > (before?.epoch ?? 0);
  if (before === undefined || fellTo === undefined || isJudged) return judged;
  return { ...before, doubt: { ...judged.line, revision: fellTo } };
}

/** What is known, where the store has told this process of more already: set back since, it's no better than one set back before. */
export function asHeard(
  known: KnownStore | undefined,
  heard: Revision,
  found: StoreLine,
  { epoch }: Pick<ClusterSettings, 'epoch'>,
): KnownStore | undefined {
  if (heard <= (known?.line.revision ?? 0) || known?.doubt !== undefined) return known;
  return { epoch, ...known, line: { ...(known?.line ?? found), revision: heard } };
}

/** Of two lines of one store the later one in each respect. */
export function laterLine(one: StoreLine, other: StoreLine): StoreLine {
  return {
    clusterId: one.clusterId,
    raftTerm: Math.max(one.raftTerm, other.raftTerm),
    revision: Math.max(one.revision, other.revision),
  };
}

/** For people: both lines, what follows, and what to do; undefined where there's no doubt. */
export function describeDoubt(known: KnownStore | undefined): string | undefined {
  if (known?.doubt === undefined) return undefined;
  const what = known.doubt.clusterId === known.line.clusterId ? 'an older copy of it' : 'another etcd cluster';
  return `etcd was at ${describeLine(known.line)}, and now ${what} answers, at ${describeLine(known.doubt)}: what runs, runs on, and nothing is ordered until "muster cluster confirm-restore"`;
}

/** For people. */
export function describeLine({ clusterId, raftTerm, revision }: StoreLine): string {
  return `revision ${revision}, term ${raftTerm} of cluster ${clusterId}`;
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const line = v.object({ clusterId: v.string(), raftTerm: count, revision: count });
const file = v.object({
  v: v.literal(1),
  stores: v.record(v.string(), v.object({ line, epoch: count, doubt: v.exactOptional(line) })),
});

/** So many clusters are remembered; a machine is in one at a time. */
const REMEMBERED = 8;

/** What is known of each cluster's store, by the cluster's root in it. */
export type KnownStores = ReadonlyMap<string, KnownStore>;

/** As text for this machine's disk; the last ones of the map where there are too many. */
export function encodeKnownStores(stores: KnownStores): string {
  return JSON.stringify({ v: 1, stores: Object.fromEntries([...stores].slice(-REMEMBERED)) });
}

/** Undefined for a text that isn't one. */
export function decodeKnownStores(text: string): KnownStores | undefined {
  try {
    return new Map(Object.entries(v.parse(file, JSON.parse(text)).stores));
  } catch {
    return undefined;
  }
}
