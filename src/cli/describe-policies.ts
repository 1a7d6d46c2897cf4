import { formatDurationMs } from '../domain/quantity.ts';
import type { Workload } from '../domain/spec.ts';

/** `keep, replaced 10m after its node is lost, on return keep-original, starts offline`. */
export function describeDisconnect({ disconnect, offlineStart, launch }: Workload): string {
  const { mode, replaceAfterMs, onReturn } = disconnect;
  const parts: string[] = [mode];
  if (replaceAfterMs === 'never') parts.push('never replaced by itself');
  else if (replaceAfterMs !== undefined && replaceAfterMs > 0) {
    parts.push(`replaced ${formatDurationMs(replaceAfterMs)} after its node is lost`);
  }
  if (onReturn !== undefined) parts.push(`on return ${onReturn}`);
  if (offlineStart === true) parts.push('starts offline');
  if (launch === false) parts.push('loaded, not started');
  return parts.join(', ');
}

/** Undefined for what holds when nothing is said. */
export function describeReschedule({ reschedule }: Workload): string | undefined {
  if (reschedule === undefined) return undefined;
  if (reschedule === 'never') return 'never';
  const { afterRestarts, delayMs, maxDelayMs } = reschedule;
  return `after ${afterRestarts} failed restarts, then ${formatDurationMs(delayMs)} to ${formatDurationMs(maxDelayMs)} apart`;
}
