import { getNode } from '../cluster-routes.ts';
import { nodeFilterQuery } from '../filter-query.ts';
import { getNodes } from '../listings.ts';
import { nodeState, watchNode } from '../node-state.ts';
import type { Route } from '../route.ts';

/** The nodes, and the one that answers. */
export const nodeRoutes: readonly Route[] = [
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/node',
    role: 'viewer',
    summary: 'The node that answers.',
    unjoined: true,
    handle: async ({ deps }) => nodeState(deps),
  },
  {
    kind: 'stream',
    method: 'GET',
    path: '/v1/node/watch',
    role: 'viewer',
    summary: 'The node that answers now, then whenever its state changes.',
    unjoined: true,
    handle: async ({ deps, signal }) => watchNode(deps, signal),
  },
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/nodes',
    role: 'viewer',
    summary: 'Every node that has ever joined.',
    query: nodeFilterQuery,
    handle: getNodes,
  },
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/nodes/:id',
    role: 'viewer',
    summary: 'One node and what is on it.',
    handle: async ({ deps, param, signal }) => getNode(deps, param('id'), signal),
  },
];
