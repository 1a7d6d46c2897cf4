import { HEALTHY_AFTER_MS } from '../domain/status.ts';
import type { Observation } from './observer.ts';

/**
 * When time alone brings work: a retry that comes due, an instance that has run long enough to be healthy. Undefined when it
 * doesn't.
 */
export function nextPassInMs(
  { instances }: Pick<Observation, 'instances'>,
  retryAtMs: number | undefined,
  nowMs: number,
): number | undefined {
  let nextMs = retryAtMs === undefined ? undefined : retryAtMs - nowMs;
  for (const { phase, health, runningForMs } of instances.values()) {
    if (phase !== 'running' || health !== 'none' || runningForMs >= HEALTHY_AFTER_MS) continue;
    nextMs = Math.min(nextMs ?? Number.POSITIVE_INFINITY, HEALTHY_AFTER_MS - runningForMs + 1);
  }
  return nextMs;
}
