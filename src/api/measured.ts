import type { ApiDeps } from './api-deps.ts';

/** Answers, and has the answer counted by the route's pattern: what clients put into paths makes no new series. */
export async function measured(
  { metrics, clock }: Pick<ApiDeps, 'metrics' | 'clock'>,
  { method, route }: { readonly method: string; readonly route: string },
  answer: () => Promise<Response>,
): Promise<Response> {
  const beganMs = clock.monotonicMs();
  const response = await answer();
  metrics?.answered({ method, route, status: response.status, tookMs: clock.monotonicMs() - beganMs });
  return response;
}
