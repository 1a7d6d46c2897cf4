import type { HeldLease } from '../cluster/ask-leases.ts';
import type { NodeEntry } from './state-entries.ts';

/** The leases whose remaining time tells something: those that are renewed all the time. */
export function renewedLeases(nodes: Iterable<NodeEntry>): HeldLease[] {
  const leases: HeldLease[] = [];
  for (const { id, presence, leaseId } of nodes) {
    const state = presence?.value.state;
    if ((state === 'up' || state === 'in-doubt') && leaseId !== '0') leases.push({ node: id, leaseId });
  }
  return leases;
}
