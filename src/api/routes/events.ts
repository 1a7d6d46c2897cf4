import { parseWorkloadName } from '../../domain/ids.ts';
import { openEvents } from '../events.ts';
import { eventFilterQuery, parseFilter } from '../filter-query.ts';
import { getHistory } from '../history.ts';
import type { Route, RouteRequest } from '../route.ts';

const eventStream = 'text/event-stream';

function wantsEventStream({ header }: RouteRequest): boolean {
  return header('accept')?.includes(eventStream) === true;
}

/** What happens, and what has happened. */
export const eventRoutes: readonly Route[] = [
  {
    kind: 'stream',
    method: 'GET',
    path: '/v1/events',
    role: 'viewer',
    summary:
      'What happens in the cluster: server-sent events where these are accepted, with the store’s revision as ID; else one JSON value a line.',
    query: {
      since: {
        summary:
          'after an event’s ID or a revision; from a time (ISO 8601) on; or of the last so long. Last-Event-ID says the same',
        example: '1h',
      },
      workload: { summary: 'only about this workload or instance', example: 'web' },
      ...eventFilterQuery,
      about: { summary: 'only about this workload, instance or node', example: 'web.0' },
      follow: {
        summary: 'goes on with what happens; as server-sent events it does, unless told otherwise',
        example: 'true',
      },
    },
    contentType: (request) => (wantsEventStream(request) ? eventStream : undefined),
    handle: async (request) => {
      const { deps, query, header, requestId, signal } = request;
      const asked = {
        ...{ since: query('since'), workload: query('workload') },
        ...{ about: query('about'), follow: query('follow') },
        filter: parseFilter(request, 'events'),
        lastEventId: header('last-event-id'),
        isEventStream: wantsEventStream(request),
      };
      return openEvents(deps, asked, { requestId, signal });
    },
  },
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/workloads/:name/history',
    role: 'viewer',
    summary: 'Where its instances have been, and what became of them, as far back as is known.',
    query: eventFilterQuery,
    handle: async (request) => {
      const { deps, param, signal } = request;
      const filter = parseFilter(request, 'events');
      return getHistory(deps, { name: parseWorkloadName(param('name')), filter }, signal);
    },
  },
];
