import { parseWorkloadName } from '../../domain/ids.ts';
import { parseWatchRequest } from '../../wire/schemas.ts';
import { apply } from '../apply.ts';
import { applyAll } from '../apply-all.ts';
import { explain, getWorkload, getWorkloads, order } from '../cluster-routes.ts';
import type { Route, RouteRequest } from '../route.ts';
import { watchWorkloads } from '../watch-workloads.ts';

const nameOf = ({ param }: RouteRequest) => parseWorkloadName(param('name'));

/** What is desired. */
export const workloadRoutes: readonly Route[] = [
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/workloads',
    role: 'viewer',
    summary: 'Every workload, and how far it is.',
    handle: async ({ deps, signal }) => getWorkloads(deps, signal),
  },
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/workloads/:name',
    role: 'viewer',
    summary: 'One workload with its spec, its instances and their history.',
    handle: async (request) => getWorkload(request.deps, nameOf(request), request.signal),
  },
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/workloads/:name/explain',
    role: 'viewer',
    summary: 'Why each of its instances is where it is, or nowhere.',
    handle: async (request) => explain(request.deps, nameOf(request), request.signal),
  },
  {
    kind: 'answer',
    method: 'PUT',
    path: '/v1/workloads/:name',
    role: 'operator',
    summary: 'Makes a document what is desired; what is so already is not written again.',
    handle: async (request) => apply(request.deps, nameOf(request), await request.body(), request.signal),
  },
  {
    kind: 'answer',
    method: 'POST',
    path: '/v1/apply',
    role: 'operator',
    summary: 'The same for several, each by itself.',
    handle: async ({ deps, body, requestId, signal }) => applyAll(deps, await body(), requestId, signal),
  },
  {
    kind: 'answer',
    method: 'POST',
    path: '/v1/workloads/:name/start',
    role: 'operator',
    summary: 'Wants it to run.',
    handle: async (request) => order(request.deps, nameOf(request), 'run', request.signal),
  },
  {
    kind: 'answer',
    method: 'POST',
    path: '/v1/workloads/:name/stop',
    role: 'operator',
    summary: 'Wants it not to run, and keeps it.',
    handle: async (request) => order(request.deps, nameOf(request), 'stop', request.signal),
  },
  {
    kind: 'answer',
    method: 'DELETE',
    path: '/v1/workloads/:name',
    role: 'operator',
    summary: 'Stops it everywhere, then forgets it.',
    handle: async (request) => order(request.deps, nameOf(request), 'remove', request.signal),
  },
  {
    kind: 'stream',
    method: 'GET',
    path: '/v1/workloads/:name/watch',
    role: 'viewer',
    summary: 'One workload now, then whenever something of it changes.',
    handle: async (request) => watchWorkloads(request.deps.store, [nameOf(request)], request.signal),
  },
  {
    kind: 'stream',
    method: 'POST',
    path: '/v1/watch',
    role: 'viewer',
    summary: 'The same for several.',
    handle: async ({ deps, body, signal }) => {
      const { names } = parseWatchRequest(await body());
      return watchWorkloads(deps.store, [...new Set(names)], signal);
    },
  },
];
