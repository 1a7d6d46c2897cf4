import type { EventLine, HistoryAnswer } from './event-answers.ts';
import type { Http } from './http.ts';
import type { ListingFilter } from './listing-filter.ts';

/** Which events to tell. Of phases those that events tell of. */
export interface EventsQuery extends ListingFilter {
  /** After an event's ID or a revision; from a time (ISO 8601) on; or of the last so long (`1h`). */
  readonly since?: string;
  /** Only about this workload, instance or node. */
  readonly about?: string;
  readonly workload?: string;
  /** Goes on with what happens. */
  readonly follow: boolean;
}

/** What happens, and what has happened. */
export interface EventClient {
  events(query: EventsQuery, signal: AbortSignal): AsyncIterable<EventLine>;
  /** `NOT_FOUND` for a workload that nothing is known of. */
  history(name: string, filter: ListingFilter, signal: AbortSignal): Promise<HistoryAnswer>;
}

/** That part of a client. */
export function makeEventClient(http: Pick<Http, 'json' | 'stream'>): EventClient {
  return {
    events: (query, signal) => http.stream({ method: 'GET', path: '/v1/events', query: { ...query } }, signal),
    history: (name, filter, signal) => {
      const path = `/v1/workloads/${encodeURIComponent(name)}/history`;
      return http.json({ method: 'GET', path, query: { ...filter } }, signal);
    },
  };
}
