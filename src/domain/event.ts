import type { InstanceKey, NodeId, WorkloadName } from './ids.ts';
import type { Phase } from './status.ts';

/** Everything that is told of a cluster. */
export const EVENT_TYPES = [
  'workload.applied',
  'workload.changed',
  'workload.scaled',
  'workload.started',
  'workload.stopped',
  'workload.removing',
  'workload.removed',
  'instance.placed',
  'instance.moved',
  'instance.left',
  'instance.pending',
  'instance.started',
  'instance.healthy',
  'instance.unhealthy',
  'instance.failed',
  'instance.stopped',
  'node.joined',
  'node.back',
  'node.restarted',
  'node.leaving',
  'node.away',
  'node.in-doubt',
  'node.gone',
  'node.lost',
  'node.cordoned',
  'node.uncordoned',
  'node.draining',
  'node.drained',
  'node.labelled',
  'node.removing',
  'node.removed',
  'leader.changed',
  'hold.begun',
  'hold.ended',
  'store.confirmed',
  'events.lost',
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

/** The phase that an event tells an instance to be in; of the others none. */
export const PHASES_BY_EVENT = {
  'instance.pending': 'pending',
  'instance.started': 'running',
  'instance.healthy': 'running',
  'instance.unhealthy': 'running',
  'instance.failed': 'failed',
  'instance.stopped': 'stopped',
} as const satisfies Readonly<Partial<Record<EventType, Phase>>>;

/** The phases that events tell of, and so the only ones that events and histories can be narrowed to. */
export const TOLD_PHASES: readonly Phase[] = [...new Set(Object.values(PHASES_BY_EVENT))];

/** Undefined for a type that tells of no instance's phase. */
export function phaseOfEvent(type: string): Phase | undefined {
  return Object.hasOwn(PHASES_BY_EVENT, type) ? PHASES_BY_EVENT[type as keyof typeof PHASES_BY_EVENT] : undefined;
}

/** A node that an event is about. */
export interface EventNode {
  readonly id: NodeId;
  /** Its ID's first 8 digits where its record isn't known. */
  readonly hostname: string;
}

/** What was not told, and how to read it all the same. */
export interface LostEvents {
  /** `slow`: the follower reads too slowly. `compacted`: the store has forgotten it. `set-back`: the store was restored. */
  readonly why: 'slow' | 'compacted' | 'set-back';
  /** So many events; of what the store has forgotten: changes of it. */
  readonly count: number;
  /** The last revision that was told before: what is still kept after it can be asked for with `since`. */
  readonly after: number;
  /** The last revision that was not told. */
  readonly until: number;
}

/** One thing that happened, as the store's own revisions tell it. */
export interface ClusterEvent {
  /** Where to go on after it. The store's revision; of several events of one revision all but the last have their number too: `1234.0`. */
  readonly id: string;
  readonly revision: number;
  /** ISO 8601. */
  readonly at: string;
  /** When it happened isn't recorded: `at` is of the change before it. */
  readonly atIsAbout?: true;
  readonly type: EventType;
  /** What people call it: `web`, `web.0`, `node1`, `cluster`. */
  readonly subject: string;
  /** A sentence, without its subject's time. */
  readonly text: string;
  readonly workload?: WorkloadName;
  readonly instance?: InstanceKey;
  readonly node?: EventNode;
  readonly from?: EventNode;
  readonly to?: EventNode;
  readonly reason?: string;
  readonly spec?: number;
  readonly phase?: Phase;
  readonly lost?: LostEvents;
}

/** An event before it's known where and when in the store's history it is. `at`: where the change itself says it. */
export type EventDraft = Omit<ClusterEvent, 'id' | 'revision' | 'at' | 'atIsAbout'> & {
  readonly at?: string | undefined;
};
