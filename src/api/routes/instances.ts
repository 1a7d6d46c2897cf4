import { filterQuery } from '../filter-query.ts';
import { getInstances } from '../listings.ts';
import type { Route } from '../route.ts';

/** What runs where. */
export const instanceRoutes: readonly Route[] = [
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/instances',
    role: 'viewer',
    summary: 'Every copy of every instance.',
    query: {
      workload: { summary: 'of this workload alone', example: 'web.service' },
      name: { summary: "a workload's or an instance's name as people type it", example: 'web@2.service' },
      ...filterQuery,
    },
    handle: getInstances,
  },
];
