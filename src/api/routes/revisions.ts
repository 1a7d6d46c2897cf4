import { nameOf } from '../change-workload.ts';
import { getRevision, getRevisions } from '../revisions.ts';
import type { Route } from '../route.ts';

/** The specs of a workload: the present one and those before it. */
export const revisionRoutes: readonly Route[] = [
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/workloads/:name/revisions',
    role: 'viewer',
    summary: 'The specs that are kept of a workload, oldest first: the last ten, and all that something still runs by.',
    handle: async (request) => getRevisions(request.deps, nameOf(request), request.signal),
  },
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/workloads/:name/revisions/:number',
    role: 'viewer',
    summary: 'One spec, with all that it says.',
    handle: async (request) => getRevision(request.deps, nameOf(request), request.param('number'), request.signal),
  },
];
