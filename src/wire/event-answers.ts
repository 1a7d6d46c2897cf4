import type { ClusterEvent, EventNode } from '../domain/event.ts';
import type { InstanceKey, WorkloadName } from '../domain/ids.ts';

/** A line of `GET /v1/events`; the data of one of its server-sent events. */
export type EventLine = ClusterEvent;

/** Something that became of an instance. */
export interface HistoryEntry {
  /** ISO 8601. */
  readonly at: string;
  /** When it was isn't recorded: about then. */
  readonly atIsAbout?: true;
  readonly instance: InstanceKey;
  readonly display: string;
  /** As an event's type, without its first word. */
  readonly what: string;
  readonly from?: EventNode;
  readonly to?: EventNode;
  /** Where it happened, of what isn't a move. */
  readonly node?: EventNode;
  readonly why?: string;
}

/** `GET /v1/workloads/:name/history` */
export interface HistoryAnswer {
  readonly name: WorkloadName;
  /** The oldest first. */
  readonly entries: readonly HistoryEntry[];
  /** From when on everything is here; before that only moves, the last ten of each instance. Absent: it isn't known. */
  readonly completeFrom?: string;
  readonly problems: readonly string[];
}
