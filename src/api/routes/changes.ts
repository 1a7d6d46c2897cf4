import type { Route } from '../route.ts';
import { watchChanges } from '../watch-changes.ts';

/** That something has changed. */
export const changeRoutes: readonly Route[] = [
  {
    kind: 'stream',
    method: 'GET',
    path: '/v1/changes',
    role: 'viewer',
    summary: 'A line whenever anything of the cluster has changed: a hint to read again.',
    unjoined: true,
    handle: async ({ deps, signal }) => watchChanges(deps, signal),
  },
];
