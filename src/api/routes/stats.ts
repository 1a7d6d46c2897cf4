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
    summary: 'What every present node and each instance uses, asked of the nodes.',
    handle: async ({ deps, caller, signal }) => getStats(deps, caller, signal),
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
