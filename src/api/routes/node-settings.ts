import { AgentError } from '../../domain/errors.ts';
import { parseDrainRequest, parseLabelsRequest } from '../../wire/node-settings-schemas.ts';
import { getDrain, watchDrain } from '../drain.ts';
import { removeNode } from '../node-removal.ts';
import { cordon, drain, setLabels, uncordon } from '../node-settings.ts';
import type { Route } from '../route.ts';

/** What operators want of nodes. A node is named by its ID, its first digits, or its hostname. */
export const nodeSettingsRoutes: readonly Route[] = [
  {
    kind: 'answer',
    method: 'POST',
    path: '/v1/nodes/:id/cordon',
    role: 'operator',
    summary: 'Gives it no new work; what it has stays.',
    handle: async ({ deps, param, signal }) => cordon(deps, param('id'), signal),
  },
  {
    kind: 'answer',
    method: 'POST',
    path: '/v1/nodes/:id/uncordon',
    role: 'operator',
    summary: 'Gives it work again; ends a drain.',
    handle: async ({ deps, param, signal }) => uncordon(deps, param('id'), signal),
  },
  {
    kind: 'answer',
    method: 'POST',
    path: '/v1/nodes/:id/drain',
    role: 'operator',
    summary: 'Has everything leave it, one instance of a workload after the other.',
    handle: async ({ deps, param, body, signal }) => drain(deps, param('id'), parseDrainRequest(await body()), signal),
  },
  {
    kind: 'answer',
    method: 'GET',
    path: '/v1/nodes/:id/drain',
    role: 'viewer',
    summary: 'What it still has, and what that waits for.',
    handle: async ({ deps, param, signal }) => getDrain(deps, param('id'), signal),
  },
  {
    kind: 'stream',
    method: 'GET',
    path: '/v1/nodes/:id/drain/watch',
    role: 'viewer',
    summary: 'The same now, then whenever it changes.',
    handle: async ({ deps, param, signal }) => watchDrain(deps, param('id'), signal),
  },
  {
    kind: 'answer',
    method: 'PATCH',
    path: '/v1/nodes/:id/labels',
    role: 'operator',
    summary: "Sets and removes operators' labels, which lie over its own.",
    handle: async ({ deps, param, body, signal }) =>
      setLabels(deps, param('id'), parseLabelsRequest(await body()), signal),
  },
  {
    kind: 'answer',
    method: 'DELETE',
    path: '/v1/nodes/:id',
    role: 'operator',
    summary: 'Forgets a node that is gone for good; what it ran moves on.',
    query: {
      force: { summary: 'its machine is dead: whatever it was told to run, it runs no more', example: 'true' },
    },
    handle: async ({ deps, param, query, signal }) => removeNode(deps, param('id'), parseForce(query('force')), signal),
  },
];

function parseForce(text: string | undefined): boolean {
  if (text === undefined || text === 'false') return false;
  if (text === 'true') return true;
  throw new AgentError('INVALID_INPUT', `Cannot use force "${text.slice(0, 50)}": expected "true" or "false"`);
}
