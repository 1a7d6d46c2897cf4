import { AgentError } from '../../domain/errors.ts';
import { makeInstanceKey, parseSlot, parseWorkloadName } from '../../domain/ids.ts';
import { getInstances } from '../cluster-routes.ts';
import { openLogs } from '../read-logs.ts';
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
    },
    handle: async ({ deps, query, signal }) =>
      getInstances(deps, { workload: query('workload'), name: query('name') }, signal),
  },
  {
    kind: 'stream',
    method: 'GET',
    path: '/v1/instances/:workload/:slot/logs',
    role: 'viewer',
    summary: "An instance's lines.",
    query: {
      tail: { summary: 'only so many last lines', example: '100' },
      follow: { summary: 'goes on with lines as they come', example: 'true' },
    },
    unjoined: true,
    handle: async ({ deps, param, query, signal }) => {
      const key = makeInstanceKey(parseWorkloadName(param('workload')), parseSlot(param('slot')));
      return openLogs(deps, key, parseLogOptions(query('tail'), query('follow')), signal);
    },
  },
];

function parseLogOptions(tail: string | undefined, follow: string | undefined) {
  if (tail !== undefined && !/^\d{1,9}$/.test(tail)) {
    throw new AgentError('INVALID_INPUT', `Cannot use tail "${tail.slice(0, 50)}": expected a number of lines`);
  }
  if (follow !== undefined && !['true', 'false'].includes(follow)) {
    throw new AgentError('INVALID_INPUT', `Cannot use follow "${follow.slice(0, 50)}": expected "true" or "false"`);
  }
  return { follow: follow === 'true', ...(tail === undefined ? {} : { tail: Number(tail) }) };
}
