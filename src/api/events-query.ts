import type { EventStart } from '../cluster/events-follow.ts';
import { AgentError } from '../domain/errors.ts';
import { type ClusterEvent, type EventNode, phaseOfEvent } from '../domain/event.ts';
import { parseDurationMs } from '../domain/quantity.ts';
import type { Filter } from './listing-filter.ts';

/** What a follower asks for. */
export interface EventQuery {
  /** After an event's ID, or a revision; or from a time on; or of the last so long. Absent: what is to come, or all that is kept. */
  readonly since?: string | undefined;
  readonly workload?: string | undefined;
  /** Either this workload or instance, or this node. */
  readonly about?: string | undefined;
  readonly filter?: Filter;
  readonly follow?: string | undefined;
  /** An event stream's own way to say `since`. */
  readonly lastEventId?: string | undefined;
  readonly isEventStream: boolean;
}

/** The same, understood. */
export interface EventWish {
  readonly start: EventStart;
  readonly follow: boolean;
  /** By all but labels: these the event itself doesn't have. */
  wants(this: void, event: ClusterEvent): boolean;
}

/** Throws `INVALID_INPUT` for what can't be understood. */
export function parseEventQuery(query: EventQuery, now: Date): EventWish {
  const follow = parseFollow(query.follow, query.isEventStream);
  const { start, fromIso } = parseSince(query.lastEventId ?? query.since, follow, now);
  const { workload, about, filter } = query;
  return {
    start,
    follow,
    wants: (event) => {
      if (event.type === 'events.lost') return true;
      if (fromIso !== undefined && event.at < fromIso) return false;
      if (workload !== undefined && !isOfWork(event, workload)) return false;
      if (filter !== undefined && !isWanted(event, filter)) return false;
      return about === undefined || isOfWork(event, about) || isOfNode(event, about);
    },
  };
}

function isOfWork({ workload, instance, subject }: ClusterEvent, name: string): boolean {
  return workload !== undefined && (workload === name || instance === name || subject === name);
}

/** By node and phase. A node is known by what it's called: also one that is long gone has events. */
export function isWanted(event: WhereAndWhat, { node, phases }: Pick<Filter, 'node' | 'phases'>): boolean {
  if (node !== undefined && !isOfNode(event, node)) return false;
  const phase = phaseOfEvent(event.type);
  return phases.length === 0 || (phase !== undefined && phases.includes(phase));
}

interface Where {
  readonly node?: EventNode;
  readonly from?: EventNode;
  readonly to?: EventNode;
}

interface WhereAndWhat extends Where {
  readonly type: string;
}

function isOfNode({ node, from, to }: Where, name: string): boolean {
  return [node, from, to].some((each) => {
    return (
      each !== undefined &&
      (each.hostname === name || each.id === name || (name.length >= 4 && each.id.startsWith(name)))
    );
  });
}

function parseFollow(text: string | undefined, isEventStream: boolean): boolean {
  if (text === undefined) return isEventStream;
  if (text === 'true' || text === 'false') return text === 'true';
  throw new AgentError('INVALID_INPUT', `Cannot use follow "${text.slice(0, 50)}": expected "true" or "false"`);
}

function parseSince(text: string | undefined, follow: boolean, now: Date): { start: EventStart; fromIso?: string } {
  if (text === undefined || text === '') return { start: follow ? 'present' : 'oldest' };
  const place = /^(\d{1,15})(?:\.(\d{1,4}))?$/.exec(text);
  if (place !== null) {
    const revision = Number(place[1]);
    if (place[2] === undefined) return { start: { after: revision } };
    return { start: { after: Math.max(0, revision - 1), skip: Number(place[2]) + 1 } };
  }
  return { start: 'oldest', fromIso: timeOf(text, now) };
}

function timeOf(text: string, now: Date): string {
  try {
    if (/^\d{4}-/.test(text)) return Temporal.Instant.from(text).toString({ fractionalSecondDigits: 3 });
    const instant = Temporal.Instant.fromEpochMilliseconds(now.getTime() - parseDurationMs(text));
    return instant.toString({ fractionalSecondDigits: 3 });
  } catch {
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot use since "${text.slice(0, 100)}": expected an event's ID, a revision, a time (ISO 8601), or a duration as "10m"`,
    );
  }
}
