import { filterQuery, parseFilter } from '../filter-query.ts';
import type { Route } from '../route.ts';
import { getStats } from '../stats-cluster.ts';
import { getNodeStats } from '../stats-node.ts';

/** What nodes and instances use; counted only when it's asked for. */
export const statsRoutes: readonly Route[] = [
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/stats',
    role: 'viewer',
    summary:
      'What every present node and each instance uses, asked of the nodes. Narrowed: the instances that match, and the nodes that do or that have one of these.',
    query: { label: filterQuery.label, node: filterQuery.node, phase: filterQuery.phase },
    handle: async (request) => {
      const { deps, caller, signal } = request;
      return getStats(deps, { caller, filter: parseFilter(request, 'copies') }, signal);
    },
  },
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/node/stats',
    role: 'viewer',
    summary: 'What the node that answers, and each instance that runs on it, uses.',
    unjoined: true,
    handle: async ({ deps, signal }) => getNodeStats(deps, signal),
  },
];
