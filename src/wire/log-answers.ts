import type { ErrorCode } from '../domain/errors.ts';

/** What an instance wrote: a line of `GET /v1/instances/:workload/:slot/logs` and of `GET /v1/workloads/:name/logs`. */
export interface LogLineEntry {
  /** ISO 8601 in UTC. */
  readonly at: string;
  readonly kind: 'line';
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
  /** As people read it: `web.0`. */
  readonly instance: string;
  /** The name of the node that it ran on. */
  readonly node: string;
}

/** What the reader has to know of what it's given, between the lines of the same streams. */
export interface LogNotice {
  readonly at: string;
  readonly kind: 'notice';
  /** For people. */
  readonly text: string;
  /** Whose lines it is about; absent: those of all. */
  readonly instance?: string;
  readonly node?: string;
  /** What is in the way, where lines may be missing: `UNAVAILABLE`, `LIMIT`, … */
  readonly code?: ErrorCode;
  /** So many lines were left out, since the reader was too slow for them. */
  readonly lost?: number;
}

/** One line of a stream of logs. */
export type LogEntry = LogLineEntry | LogNotice;

/** What may be asked for beside the name. */
export interface LogQuery {
  /** The last so many lines of each instance; absent: all. */
  readonly tail?: number;
  /** None before this: a time (ISO 8601) or how long ago (`10m`). */
  readonly since?: string;
  /** Goes on with lines as they come, also when an instance goes to another node. */
  readonly follow: boolean;
}
