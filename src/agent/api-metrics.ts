import type { ApiMetrics } from '../api/api-deps.ts';
import type { Clock } from '../loop/clock.ts';
import { type Metrics, reading, readingIf } from '../metrics/metrics.ts';
import { readProcess } from '../metrics/process-figures.ts';

/** What of this process doesn't change. */
export interface BuildFacts {
  readonly version: string;
  readonly commit: string;
}

/** The agent's metrics for the API: requests counted, and everything written down when it's asked for. */
export function makeApiMetrics(metrics: Metrics, { version, commit }: BuildFacts, clock: Clock): ApiMetrics {
  metrics.addSource(() => [reading('muster_build_info', 1, { version, commit })]);
  metrics.addSource(async () => readProcess(clock));
  return {
    answered: ({ method, route, status, tookMs }) => {
      metrics.count('muster_api_requests_total', { method, route, status: `${status}` });
      metrics.time('muster_api_request_duration_seconds', { method, route }, tookMs);
    },
    watchStreams: (count) => metrics.addSource(() => readingIf('muster_api_open_streams', count())),
    expose: async () => {
      const { Exposition } = await import('../metrics/expose.ts');
      return { type: Exposition.contentType, text: await new Exposition(metrics).text() };
    },
  };
}
