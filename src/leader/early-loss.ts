import type { HeldLease, LeaseTiming } from '../cluster/ask-leases.ts';
import { isLeadingStill, type LeaderKv, type Term } from '../cluster/commit-as-leader.ts';
import { LeaseWatch } from '../cluster/lease-watch.ts';
import type { StorePulse } from '../cluster/store-pulse.ts';
import type { NodeId } from '../domain/ids.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import type { ClusterState } from './cluster-state.ts';
import { renewedLeases } from './renewed-leases.ts';

export interface EarlyLossOptions {
  readonly kv: LeaderKv;
  readonly term: Term;
  readonly state: ClusterState;
  readonly pulse: StorePulse;
  readonly ttlMs: number;
  readonly timing: LeaseTiming;
  readonly clock: Clock;
  readonly log: Log;
  /** With those that are gone already, the loss of these would be a mass loss: etcd's own time decides then. */
  readonly isTooMany: (nodes: Iterable<NodeId>) => boolean;
}

/** The leader's watch of all nodes' leases after an election of etcd: see LeaseWatch. Of a mass loss nothing is revoked. */
export class EarlyLoss {
  readonly #options: EarlyLossOptions;
  readonly #watch: LeaseWatch;

  constructor(options: EarlyLossOptions) {
    this.#options = options;
    const { state } = options;
    this.#watch = new LeaseWatch({
      ...options,
      leases: () => renewedLeases(state.attendance.here),
      mayRevoke: (lease, unrenewed, signal) => this.#mayRevoke(lease, unrenewed, signal),
    });
  }

  /** Watches until the signal aborts. The state must have been read before. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#watch.run(signal);
  }

  async #mayRevoke(
    { node, leaseId }: HeldLease,
    unrenewed: readonly HeldLease[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { kv, term, state, isTooMany } = this.#options;
    if (isTooMany(unrenewed.map((lease) => lease.node)) || state.nodes.get(node)?.leaseId !== leaseId) return false;
    return isLeadingStill(kv, term, signal);
  }
}
