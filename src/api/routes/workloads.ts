import { parseWatchRequest } from '../../wire/schemas.ts';
import { apply } from '../apply.ts';
import { applyAll } from '../apply-all.ts';
import { nameOf, order, restart, rollback, scale } from '../change-workload.ts';
import { explain, getWorkload } from '../cluster-routes.ts';
import { parseConditions } from '../conditions.ts';
import { filterQuery } from '../filter-query.ts';
import { getWorkloads } from '../listings.ts';
import { plan } from '../plan.ts';
import { specTag } from '../problem-response.ts';
import { Reply, type Route } from '../route.ts';
import { watchWorkloads } from '../watch-workloads.ts';

/** What is desired. */
export const workloadRoutes: readonly Route[] = [
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/workloads',
    role: 'viewer',
    summary: 'Every workload, and how far it is.',
    query: filterQuery,
    handle: getWorkloads,
  },
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/workloads/:name',
    role: 'viewer',
    summary: 'One workload with its spec, its instances and their history. `ETag`: the number of its present spec.',
    handle: async (request) => {
      const answer = await getWorkload(request.deps, nameOf(request), request.signal);
      return new Reply(answer, 200, { etag: specTag(answer.workload.spec) });
    },
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
    conditional: true,
    handle: async (request) => {
      const expected = parseConditions(request);
      const asked = { body: await request.body(), expected };
      const answer = await apply(request.deps, nameOf(request), asked, request.signal);
      return new Reply(answer, 200, { etag: specTag(answer.spec) });
    },
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
    path: '/v1/plan',
    role: 'viewer',
    summary:
      'What would happen, were these applied or removed: field by field, and instance by instance. Nothing is done.',
    handle: plan,
  },
  {
    kind: 'answer',
    method: 'POST',
    path: '/v1/workloads/:name/start',
    role: 'operator',
    summary: 'Wants it to run.',
    conditional: true,
    handle: async (request) => order(request, 'run'),
  },
  {
    kind: 'answer',
    method: 'POST',
    path: '/v1/workloads/:name/stop',
    role: 'operator',
    summary: 'Wants it not to run, and keeps it.',
    conditional: true,
    handle: async (request) => order(request, 'stop'),
  },
  {
    kind: 'answer',
    method: 'POST',
    path: '/v1/workloads/:name/scale',
    role: 'operator',
    summary: 'Wants another number of instances.',
    conditional: true,
    handle: scale,
  },
  {
    kind: 'answer',
    method: 'POST',
    path: '/v1/workloads/:name/restart',
    role: 'operator',
    summary: 'Restarts its instances, one healthy one at a time, or the one that is named.',
    query: { instance: { summary: 'only this one: its slot, or its name as people type it', example: 'web.0' } },
    conditional: true,
    handle: restart,
  },
  {
    kind: 'answer',
    method: 'POST',
    path: '/v1/workloads/:name/rollback',
    role: 'operator',
    summary: 'Makes an earlier spec the present one, under a new number; scale, placement and policies stay.',
    conditional: true,
    handle: rollback,
  },
  {
    kind: 'answer',
    method: 'DELETE',
    path: '/v1/workloads/:name',
    role: 'operator',
    summary: 'Stops it everywhere, then forgets it.',
    conditional: true,
    handle: async (request) => order(request, 'remove'),
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
