import type { WorkloadDocument } from './document.ts';
import { AgentError } from './errors.ts';
import { LIMITS } from './limits.ts';
import type { ReschedulePolicy, ReturnChoice } from './spec.ts';

/** Which copy may survive when a node is back. */
export const RETURN_CHOICES = [
  'keep-replacement',
  'keep-original',
  'longest-running',
] as const satisfies ReturnChoice[];

/** What holds for a workload that says nothing of it. */
export const DEFAULT_RESCHEDULE: ReschedulePolicy = { afterRestarts: 5, delayMs: 30_000, maxDelayMs: 3_600_000 };

/** Most restarts that may have to fail before an instance is tried elsewhere. */
const RESTARTS_LIMIT = 1_000;

/** What can't be said together of the same workload, or not at all. Throws `INVALID_INPUT`. */
export function checkPolicies(document: WorkloadDocument): void {
  const { name, disconnect, offlineStart, moveOrder } = document;
  const refuse = (expected: string) => new AgentError('INVALID_INPUT', `Cannot apply "${name}": expected ${expected}`);
  const { mode, replaceAfterMs, onReturn } = disconnect;
  if (mode === 'stop' && moveOrder === 'start-first') {
    throw refuse('move order "stop-first" with disconnect "stop": at most one copy may run');
  }
  if (mode === 'stop' && /\.(auto)?mount$/.test(name)) {
    throw refuse('disconnect "keep" of a mount: a file system in use cannot be unmounted in time');
  }
  if (mode === 'stop' && onReturn !== undefined) {
    throw refuse(`no onReturn with disconnect "stop": there is never a second copy to choose from`);
  }
  if (mode === 'stop' && offlineStart === true) {
    throw refuse('no offlineStart with disconnect "stop": it starts only while its node holds a lease');
  }
  if (typeof replaceAfterMs === 'number' && replaceAfterMs > LIMITS.policyMs) {
    throw refuse(`replaceAfter of at most ${LIMITS.policyMs / 86_400_000} days, or "never"`);
  }
  checkReschedule(document.reschedule, refuse);
}

function checkReschedule(policy: WorkloadDocument['reschedule'], refuse: (expected: string) => AgentError): void {
  if (policy === undefined || policy === 'never') return;
  const { afterRestarts, delayMs, maxDelayMs } = policy;
  if (afterRestarts > RESTARTS_LIMIT) throw refuse(`reschedule after at most ${RESTARTS_LIMIT} restarts, or "never"`);
  if (delayMs < 1_000) throw refuse('a reschedule delay of at least 1s');
  if (maxDelayMs < delayMs) throw refuse('a reschedule maxDelay not below its delay');
  if (maxDelayMs > LIMITS.policyMs)
    throw refuse(`a reschedule maxDelay of at most ${LIMITS.policyMs / 86_400_000} days`);
}
