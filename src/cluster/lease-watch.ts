import { errorText } from '../domain/errors.ts';
import type { Kv } from '../etcd/port.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { askLeases, type HeldLease, type LeaseAnswer, type LeaseTiming, ROUNDED_BY_MS } from './ask-leases.ts';
import type { StorePulse } from './store-pulse.ts';

export interface LeaseWatchOptions {
  readonly kv: Pick<Kv, 'leaseTimeToLive' | 'revokeLease'>;
  readonly pulse: StorePulse;
  readonly ttlMs: number;
  readonly timing: LeaseTiming;
  readonly clock: Clock;
  readonly log: Log;
  /** What is watched after an election. */
  readonly leases: () => readonly HeldLease[];
  /** Asked just before a lease is revoked, with all that are watched and have not been renewed. Else it's left to the store. */
  readonly mayRevoke: (lease: HeldLease, unrenewed: readonly HeldLease[], signal: AbortSignal) => Promise<boolean>;
}

/** A lease that nobody has renewed for so many intervals is suspect; for so many, two renewals have been missed for sure. */
const SUSPECT_AFTER = 1.6;
const DOOMED_AFTER = 2.4;
/** How often suspects are asked for. */
const SAMPLE_MS = 250;
/** An election is heeded as long as its leases may still live: also one before the watch began, and of a store that answers badly. */
const HEEDED_FOR_TTLS = 1.5;

interface Suspect extends HeldLease {
  /** At most so much is left of the lease, unless it's renewed; falls as time passes. */
  leftMs: number;
  /** Monotonic: when that was so. */
  atMs: number;
  grantedMs: number;
  /** That it's counted as gone. */
  isTold: boolean;
  /** Its revocation has, once or more. */
  hasFailed: boolean;
}

/** What was learnt of suspects at one time; nothing is concluded from what is older. */
interface Sample {
  /** Not renewed. */
  readonly answered: readonly Suspect[];
  readonly unanswered: readonly Suspect[];
}

/**
 * Finds nodes that died with etcd's leader. The next leader of etcd gives every lease its whole TTL anew, and an election's time on top;
 * a dead node would count as present for all of that. So after each election that this agent notices, leases that nobody renews are
 * watched, and revoked when 0.4 of their TTL is left (with the usual split of the TTL). Presence vanishes with them, and everything
 * else follows the ordinary path. Between elections it asks for nothing.
 *
 * It's safe. What is left says when the lease was last renewed or prolonged: at least 0.6 of a TTL ago, and its agent's last answered
 * renewal is no younger. It has missed two renewals and passed its fence: it leads no more, and starts no `stop` instance; those that
 * run are dead at 0.8 of a TTL, and are replaced no sooner than a TTL and a tenth after presence has vanished. A node that lives, and
 * was only slow, finds its lease gone as with one that etcd drops by itself, and registers anew at once: within the second in which
 * nothing is replaced. That is also why one that was frozen just before it revokes can do no more harm than that.
 */
export class LeaseWatch {
  readonly #options: LeaseWatchOptions;

  constructor(options: LeaseWatchOptions) {
    this.#options = options;
  }

  /** Watches after each election of the store until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { pulse, clock, ttlMs } = this.#options;
    const sinceMs = clock.monotonicMs() - (pulse.electedAtMs ?? Number.NEGATIVE_INFINITY);
    let isDue = sinceMs < HEEDED_FOR_TTLS * ttlMs;
    while (!signal.aborted) {
      using next = new ChildAbort(signal);
      const cancel = pulse.onElection(() => next.abort());
      if (isDue) await this.#watch(next.signal);
      if (!next.signal.aborted) await untilAborted(next.signal);
      cancel();
      isDue = true;
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { leases, pulse, clock, timing, ttlMs } = this.#options;
    const suspectPart = 1 - SUSPECT_AFTER * timing.renewPart;
    const doomedPart = Math.min(1 - timing.fencePart, 1 - DOOMED_AFTER * timing.renewPart);
    const untilMs = (pulse.electedAtMs ?? clock.monotonicMs()) + HEEDED_FOR_TTLS * ttlMs;
    let suspects: Suspect[] = leases().map((lease) => {
      return { ...lease, leftMs: Number.POSITIVE_INFINITY, atMs: 0, grantedMs: 0, isTold: false, hasFailed: false };
    });
    let limitMs = ttlMs / 4;
    while (suspects.length > 0 && !signal.aborted) {
      const { answered, unanswered } = await this.#sample(suspects, limitMs, signal);
      const isPartial = unanswered.length > 0 && unanswered.length < suspects.length;
      limitMs = isPartial ? SAMPLE_MS : ttlMs / 4; // who isn't answered for doesn't hold up the others again
      const unrenewed = answered.filter(({ leftMs, grantedMs }) => leftMs <= suspectPart * grantedMs);
      const doomed = unrenewed.filter(({ leftMs, grantedMs }) => leftMs <= doomedPart * grantedMs);
      const kept = await this.#revokeAll(doomed, unrenewed, signal);
      const again = clock.monotonicMs() < untilMs ? [...unanswered, ...kept] : [];
      const waiting = answered.filter((suspect) => !doomed.includes(suspect));
      const waits = waiting.map(({ leftMs, grantedMs }) => leftMs - suspectPart * grantedMs);
      if (again.length > 0) waits.push(0);
      suspects = [...waiting, ...again];
      if (waits.length > 0) await clock.sleep(Math.max(SAMPLE_MS, Math.min(...waits)), signal);
    }
  }

  /** Asks for all of them; those that are renewed or gone are suspects no more, and those that aren't answered for are asked for again. */
  async #sample(suspects: readonly Suspect[], limitMs: number, signal: AbortSignal): Promise<Sample> {
    const { kv, clock } = this.#options;
    const answered: Suspect[] = [];
    const unanswered = new Map(suspects.map((suspect) => [suspect.leaseId, suspect]));
    const onAnswer = ({ leaseId }: HeldLease, answer: LeaseAnswer) => {
      const suspect = unanswered.get(leaseId);
      unanswered.delete(leaseId);
      if (suspect !== undefined && isUnrenewed(suspect, answer, clock.monotonicMs())) answered.push(suspect);
      return false;
    };
    await askLeases(suspects, { kv, clock, limitMs, onAnswer }, signal);
    return { answered, unanswered: [...unanswered.values()] };
  }

  /** One by one; returns those of which it isn't known whether they are revoked. */
  async #revokeAll(
    doomed: readonly Suspect[],
    unrenewed: readonly HeldLease[],
    signal: AbortSignal,
  ): Promise<Suspect[]> {
    const kept: Suspect[] = [];
    for (const suspect of doomed) {
      if (signal.aborted || !(await this.#revoke(suspect, unrenewed, signal))) kept.push(suspect);
    }
    return kept;
  }

  /** False when the store has failed; told of once. */
  async #revoke(suspect: Suspect, unrenewed: readonly HeldLease[], signal: AbortSignal): Promise<boolean> {
    const { kv, log, mayRevoke } = this.#options;
    const { node, leaseId, isTold } = suspect;
    try {
      if (!(await mayRevoke(suspect, unrenewed, signal))) return true;
      if (!isTold)
        log.warn(
          { node, lease: leaseId },
          'node has not renewed its lease since etcd elected a leader: counted as gone',
        );
      suspect.isTold = true;
      await kv.revokeLease(leaseId, signal);
      return true;
    } catch (error) {
      if (!signal.aborted && !suspect.hasFailed)
        log.warn({ node, lease: leaseId, reason: errorText(error) }, 'lease not revoked');
      suspect.hasFailed = true;
      return false;
    }
  }
}

/** Takes in an answer; false when it shows that the lease is gone, or was renewed since the last one. */
function isUnrenewed(suspect: Suspect, { remainingMs, grantedMs }: LeaseAnswer, nowMs: number): boolean {
  const leftMs = suspect.leftMs - (nowMs - suspect.atMs);
  if (remainingMs <= 0 || remainingMs > leftMs) return false;
  suspect.leftMs = Math.min(leftMs, remainingMs + ROUNDED_BY_MS);
  suspect.atMs = nowMs;
  suspect.grantedMs = grantedMs;
  return true;
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
