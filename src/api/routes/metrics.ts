import { AgentError } from '../../domain/errors.ts';
import { getHealth, getReadiness } from '../readiness.ts';
import type { Route } from '../route.ts';

/** For whoever watches over agents. */
export const metricsRoutes: readonly Route[] = [
  {
    kind: 'answer',
    method: 'GET',
    path: '/healthz',
    role: 'viewer',
    summary: 'Whether the agent is alive: 503 when it hangs.',
    unjoined: true,
    handle: async ({ deps }) => getHealth(deps),
  },
  {
    kind: 'answer',
    method: 'GET',
    path: '/readyz',
    role: 'viewer',
    summary: "Whether the node is joined, its runtimes answer and etcd does: 503 and what isn't so.",
    unjoined: true,
    handle: async ({ deps }) => getReadiness(deps),
  },
  {
    kind: 'raw',
    method: 'GET',
    path: '/metrics',
    role: 'viewer',
    summary: "What the agent counts of itself, in Prometheus' text format.",
    unjoined: true,
    limitMs: 10_000,
    handle: async ({ deps, requestId }) => {
      if (deps.metrics === undefined) throw new AgentError('NOT_FOUND', 'Cannot give metrics: nothing is counted here');
      const { type, text } = await deps.metrics.expose();
      return new Response(text, { headers: { 'content-type': type, 'x-request-id': requestId } });
    },
  },
];
