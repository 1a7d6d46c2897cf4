import { errorCodeOf } from '../domain/errors.ts';
import type { ClusterSettings } from '../domain/node.ts';
import type { Kv } from '../etcd/port.ts';
import type { Session } from '../etcd/session.ts';
import type { Changes } from '../loop/changes.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { followSettings } from './cluster-settings.ts';
import type { HeldPresence } from './held-presence.ts';
import type { Layout } from './layout.ts';
import { isOwnPresence, watchOwnPresence } from './own-presence.ts';
import type { StoreTrust } from './store-trust.ts';

export interface MembershipRunOptions {
  readonly kv: Pick<Kv, 'get' | 'watch'>;
  readonly layout: Layout;
  readonly session: Session;
  readonly held: HeldPresence;
  readonly trust: StoreTrust;
  /** Told at each change of the session's state. */
  readonly changes: Changes;
  readonly clock: Clock;
  readonly log: Log;
  /** The cluster's settings as they are now. */
  readonly onSettings: (settings: ClusterSettings) => void;
  /** Runs while presence is ours and the store is trusted. */
  readonly whileTrusted: (signal: AbortSignal) => Promise<void>;
}

/** A read that shall confirm a resumed session is tried again after this. */
const CONFIRM_RETRY_MS = 200;
/** Settings that couldn't be followed are followed again after this. */
const SETTINGS_RETRY_MS = 1_000;
/**
 * While the store is in doubt its settings are read again so often. One that is set back once more has not reached the revision
 * that a watch of it begins at: the watch says nothing of an operator's confirmation.
 */
const DOUBT_READ_INTERVAL_MS = 5_000;

/** Everything that runs for as long as presence is ours: under one lease, from one judgement of the store to the next. */
export class MembershipRun {
  readonly #options: MembershipRunOptions;
  #settingsProblem: string | undefined;
  #isJudgedAnew = false;
  #end: ChildAbort | undefined;

  constructor(options: MembershipRunOptions) {
    this.#options = options;
  }

  /** The store is in doubt, or no longer: this membership ends. */
  judgedAnew(): void {
    this.#isJudgedAnew = true;
    this.#end?.abort();
  }

  /** Until the lease is lost, presence is gone, the store is judged anew, or the signal aborts; rejects FENCED for a foreign nonce. */
  async run(signal: AbortSignal): Promise<'lost' | 'judged-anew'> {
    const { session, held, trust, whileTrusted } = this.#options;
    using end = new ChildAbort(signal);
    this.#end = end;
    const ended = <T>(work: Promise<T>) => work.finally(() => end.abort());
    const results = await Promise.allSettled([
      ended(session.run(end.signal)),
      ended(watchOwnPresence(held.asOwn, end.signal)),
      this.#confirmResumed(end.signal),
      this.#followSettings(end.signal),
      trust.isUsable ? whileTrusted(end.signal).catch(endedBy(end)) : undefined,
    ]);
    const failures = results.filter((result) => result.status === 'rejected');
    const failure = failures.find(({ reason }) => errorCodeOf(reason) === 'FENCED') ?? failures[0];
    if (failure !== undefined && !signal.aborted) throw failure.reason;
    return this.#isJudgedAnew ? 'judged-anew' : 'lost';
  }

  /** A session resumed after its deadline counts again once the store has shown that it's the same, and presence is still ours. */
  async #confirmResumed(signal: AbortSignal): Promise<void> {
    const { session, held, trust, changes, clock, log } = this.#options;
    for (;;) {
      await changes.until(() => session.state === 'resumed', signal);
      if (signal.aborted) return;
      try {
        await trust.lookAgain(signal);
        if (await isOwnPresence(held.asOwn, signal)) session.confirm();
      } catch (err) {
        if (signal.aborted) return;
        log.debug({ err }, 'resumed session not confirmed yet');
      }
      if (session.state === 'resumed') await clock.sleep(CONFIRM_RETRY_MS, signal);
    }
  }

  async #followSettings(signal: AbortSignal): Promise<void> {
    const { kv, layout, trust, clock, log, onSettings } = this.#options;
    const tell = {
      settings: (settings: ClusterSettings) => {
        this.#settingsProblem = undefined;
        onSettings(settings);
        trust.noteSettings(settings);
      },
      problem: (problem: string) => {
        if (problem !== this.#settingsProblem) log.warn({ problem }, 'settings of the cluster left as they were');
        this.#settingsProblem = problem;
      },
    };
    while (!signal.aborted) {
      using turn = new ChildAbort(signal);
      const cancel = trust.isUsable ? () => {} : clock.after(DOUBT_READ_INTERVAL_MS, () => turn.abort());
      await followSettings(kv, layout, tell, turn.signal).catch((err: unknown) => {
        if (!signal.aborted) log.debug({ err }, 'settings of the cluster not followed');
      });
      cancel();
      if (!turn.signal.aborted) await clock.sleep(SETTINGS_RETRY_MS, signal);
    }
  }
}

/** Ends the rest too, and passes the error on. */
function endedBy(end: ChildAbort): (error: unknown) => never {
  return (error) => {
    end.abort();
    throw error;
  };
}
