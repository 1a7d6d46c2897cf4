import type { NodeId } from '../domain/ids.ts';
import type { Kv, LeaseId, LeaseTime } from '../etcd/port.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { Clock } from '../loop/clock.ts';

/** A node, and the lease that its presence is bound to, or its candidacy. */
export interface HeldLease {
  readonly node: NodeId;
  readonly leaseId: LeaseId;
}

/** What the store says of one of them. */
export type LeaseAnswer = LeaseTime;

export interface AskOptions {
  readonly kv: Pick<Kv, 'leaseTimeToLive'>;
  readonly clock: Clock;
  /** For all of them together. */
  readonly limitMs: number;
  /** Called with each answer; true: the rest needn't be asked. */
  readonly onAnswer: (lease: HeldLease, answer: LeaseAnswer) => boolean;
}

/** So many are asked side by side. */
const PARALLEL = 32;
/** etcd drops the part of a second. */
export const ROUNDED_BY_MS = 1_000;

/** When agents renew and fence themselves, as parts of the TTL: this agent's own split, which all are taken to have. */
export interface LeaseTiming {
  readonly renewPart: number;
  readonly fencePart: number;
}

/** What agents do unless they are told otherwise. */
export const usualTiming: LeaseTiming = { renewPart: 0.25, fencePart: 0.6 };

/** True when the lease has surely missed a renewal, however etcd has rounded: one and a half intervals have passed. */
export function hasMissedRenewal({ remainingMs, grantedMs }: LeaseAnswer, { renewPart }: LeaseTiming): boolean {
  return remainingMs + ROUNDED_BY_MS < grantedMs * (1 - 1.5 * renewPart);
}

/** Asks how long each of these leases still lives. One that isn't answered for in time is left out; never rejects. */
export async function askLeases(leases: readonly HeldLease[], options: AskOptions, signal: AbortSignal): Promise<void> {
  const { kv, clock, limitMs, onAnswer } = options;
  using stop = new ChildAbort(signal);
  const cancel = clock.after(limitMs, () => stop.abort());
  const waiting = leases.values();
  const askInTurn = async () => {
    for (const lease of waiting) {
      if (stop.signal.aborted) return;
      try {
        const answer = await kv.leaseTimeToLive(lease.leaseId, stop.signal);
        if (onAnswer(lease, answer)) stop.abort();
      } catch {
        // No word of it: that says nothing of the lease.
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, leases.length) }, askInTurn));
  cancel();
}
