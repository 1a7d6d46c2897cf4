import { AgentError, errorCodeOf, errorText } from '../domain/errors.ts';
import type { NodeId } from '../domain/ids.ts';
import type { ClusterSettings, NodeRecord, Presence, PresenceState } from '../domain/node.ts';
import type { Compare, Kv, LeaseId, Revision } from '../etcd/port.ts';
import { Session } from '../etcd/session.ts';
import { backoffMs } from '../loop/backoff.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { ensureCluster } from './cluster-settings.ts';
import { presenceCodec } from './codecs.ts';
import type { Layout } from './layout.ts';
import { isOwnPresence, type OwnPresenceOptions, watchOwnPresence } from './own-presence.ts';
import { type TakenPresence, takePresence } from './take-presence.ts';

/** Where this node stands with its cluster, for people and programs. */
export interface RegistrationState {
  readonly kind: 'joining' | 'joined' | 'refused' | 'leaving';
  /** One line: what it waits for, or why it was refused. */
  readonly text: string;
}

/** While it's ours: one lease, one presence. */
export interface Membership {
  readonly leaseId: LeaseId;
  readonly settings: ClusterSettings;
  readonly how: TakenPresence['how'];
}

export interface RegistrationOptions {
  readonly kv: Kv;
  readonly layout: Layout;
  readonly node: NodeId;
  /** Random, new for each agent process. */
  readonly nonce: string;
  readonly makeRecord: (signal: AbortSignal) => Promise<NodeRecord>;
  readonly defaults: Omit<ClusterSettings, 'layout' | 'epoch'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** Presence, deadline or state have changed. */
  readonly onChange: () => void;
  /** {@link Registration.killAtMs} has moved: at each answered renewal, each few seconds, and without any other change. */
  readonly onRenewed: () => void;
  /** Runs for as long as presence is ours; its signal aborts when it no longer is. */
  readonly whileMember: (membership: Membership, signal: AbortSignal) => Promise<void>;
}

/** How soon a refused node looks again whether it's still refused. */
const REFUSED_RETRY_MS = 10_000;
/** A membership that ends sooner counts as a failure to join. */
const STEADY_MS = 1_000;
/** A read that shall confirm a resumed session is tried again after this. */
const CONFIRM_RETRY_MS = 200;

/** Keeps this node registered: takes presence, renews its lease, registers again when the store has lost it. */
export class Registration {
  readonly #options: RegistrationOptions;
  #state: RegistrationState = { kind: 'joining', text: 'joining: the store has not answered yet' };
  #session: Session | undefined;
  #presenceRevision: number | undefined;
  #leaseId: LeaseId | undefined;
  #isDecided = false;
  /** Presence is left to a lease that outlives this process: that the old one is lost is as it should be. */
  #isHandedOver = false;
  /** Presence lasts at least so long without this process. */
  #handedOverUntilMs = Number.NEGATIVE_INFINITY;
  #handedOverKillAtMs = Number.NEGATIVE_INFINITY;
  #stopMayStartAtMs = 0;
  #bootId = '';
  /** What presence says, also when it's taken anew. */
  #presenceState: PresenceState = 'up';
  #settings: ClusterSettings | undefined;
  readonly #changeWaiters = new Set<() => void>();

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  get state(): RegistrationState {
    // Past the deadline the store may have dropped us: nobody can tell until it answers.
    if (this.#state.kind === 'joined' && this.#session?.holds === false)
      return { kind: 'joining', text: 'etcd has not answered in time: what runs, runs on' };
    return this.#state;
  }

  get settings(): ClusterSettings | undefined {
    return this.#settings;
  }

  /** See NodeRights. */
  get isDecided(): boolean {
    return this.#isDecided;
  }

  /** Proof for a write: presence as this process last wrote it. */
  guard(): Compare | undefined {
    if (this.#presenceRevision === undefined) return undefined;
    return { key: this.#options.layout.presence(this.#options.node), modRevision: this.#presenceRevision };
  }

  /** `stop` instances may start: the deadline holds and no earlier boot can still run them. */
  maySafelyRun(): boolean {
    return this.#session?.holds === true && this.#options.clock.monotonicMs() >= this.#stopMayStartAtMs;
  }

  /** See NodeRights. */
  get killAtMs(): number | undefined {
    if (this.#session === undefined) return undefined;
    return Math.max(this.#session.killAtMs, this.#handedOverKillAtMs);
  }

  /** See NodeRights. */
  get epoch(): number {
    return this.#settings?.epoch ?? 0;
  }

  /** See NodeRights. */
  get isStoreTrusted(): boolean {
    return true;
  }

  /** `stop` instances must end: the fence time of a lease that was ours has come. One that the store dropped early is not it. */
  isFenced(): boolean {
    if (this.#session === undefined) return false;
    return this.#options.clock.monotonicMs() >= Math.max(this.#session.fenceAtMs, this.#handedOverUntilMs);
  }

  /** Until the signal aborts. Rejects (`FENCED`) when another process has taken this node's presence: then this one must end. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, random } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      let joinedAtMs = Number.POSITIVE_INFINITY;
      try {
        await this.#joinOnce(signal, () => {
          joinedAtMs = clock.monotonicMs();
        });
        throw new AgentError('STALE', 'Cannot stay joined: the presence is gone from the store');
      } catch (err) {
        if (this.#isHandedOver) await this.#untilChange(() => false, signal);
        if (signal.aborted) return;
        if (errorCodeOf(err) === 'FENCED') throw err;
        const wasSteady = clock.monotonicMs() - joinedAtMs >= STEADY_MS;
        if (wasSteady) failures = 0;
        if (wasSteady && errorCodeOf(err) === 'STALE') continue; // dropped by the store: registered anew at once
        failures += 1;
        const isRefused = errorCodeOf(err) === 'CONFLICT' || errorCodeOf(err) === 'INVALID_INPUT';
        const isLeaving = this.#presenceState === 'leaving';
        this.#setState({ kind: isLeaving ? 'leaving' : isRefused ? 'refused' : 'joining', text: errorText(err) });
        if (failures === 1 || failures % 30 === 0)
          log.warn({ failures, err }, isRefused ? 'join refused' : 'cannot join yet');
        await clock.sleep(
          isRefused ? REFUSED_RETRY_MS : backoffMs(failures, { firstMs: 100, maxMs: 1_000, jitter: 0.5, random }),
          signal,
        );
      }
    }
  }

  /** Says in presence that the machine goes down; the lease stays and is renewed. */
  async writeLeaving(signal: AbortSignal): Promise<void> {
    this.#presenceState = 'leaving';
    this.#setState({ kind: 'leaving', text: 'the machine goes down' });
    await this.#rewrite(this.#presenceState, this.#leaseId, signal);
  }

  /** Leaves presence with a lease that outlives this process by `agentAway`: the agent is expected back. */
  async handOver(signal: AbortSignal): Promise<void> {
    const { kv, clock } = this.#options;
    if (this.#settings === undefined || this.guard() === undefined) return;
    const old = this.#leaseId;
    const { ttlMs, agentAwayMs } = this.#settings;
    const grantedFromMs = clock.monotonicMs();
    const lease = await kv.grantLease(agentAwayMs, signal);
    this.#isHandedOver = true;
    await this.#rewrite('away', lease.id, signal);
    this.#handedOverUntilMs = grantedFromMs + agentAwayMs - ttlMs;
    this.#handedOverKillAtMs = grantedFromMs + agentAwayMs - ttlMs * 0.2;
    this.#options.onRenewed();
    if (old !== undefined) await kv.revokeLease(old, signal);
  }

  /** Takes the node out at once: its presence and its lease go. */
  async withdraw(signal: AbortSignal): Promise<void> {
    if (this.#leaseId !== undefined) await this.#options.kv.revokeLease(this.#leaseId, signal);
  }

  async #rewrite(state: PresenceState, lease: LeaseId | undefined, signal: AbortSignal): Promise<void> {
    const { kv, layout, node, nonce } = this.#options;
    const proof = this.guard();
    if (proof === undefined || lease === undefined) return;
    const presence: Presence = { nonce, bootId: this.#bootId, ttlMs: this.#settings?.ttlMs ?? 0, state };
    const write = { put: layout.presence(node), value: presenceCodec.encode(presence), lease };
    const { applied, revision } = await kv.commit({ compares: [proof], writes: [write] }, signal);
    if (!applied)
      throw new AgentError(
        'FENCED',
        `Cannot say "${state}" for node ${node}: its presence is no longer this process's`,
      );
    this.#presenceRevision = revision;
    this.#leaseId = lease;
  }

  async #joinOnce(signal: AbortSignal, onJoined: () => void): Promise<void> {
    const { kv, layout, defaults, node, nonce, clock, log } = this.#options;
    this.#settings = await ensureCluster(kv, layout, defaults, signal);
    const { ttlMs } = this.#settings;
    const record = await this.#options.makeRecord(signal);
    this.#bootId = record.bootId;
    const sessionOptions = {
      kv,
      clock,
      log,
      ttlMs,
      random: this.#options.random,
      onChange: () => this.#changed(),
      onRenewed: this.#options.onRenewed,
    };
    const sessions = {
      open: (stop: AbortSignal) => Session.open(sessionOptions, stop),
      adopt: (id: LeaseId, stop: AbortSignal) => Session.adopt(sessionOptions, id, stop),
    };
    const taken = await takePresence(
      {
        kv,
        sessions,
        layout,
        node,
        nonce,
        record,
        state: this.#presenceState,
        ttlMs,
        renewIntervalMs: ttlMs / 4,
        clock,
      },
      signal,
    );
    const { session } = taken;
    this.#session = session;
    this.#presenceRevision = taken.revision;
    this.#leaseId = session.leaseId;
    this.#stopMayStartAtMs = taken.stopMayStartAtMs;
    this.#isDecided = true;
    onJoined();
    log.info({ how: taken.how, lease: session.leaseId, ttlMs: session.ttlMs }, 'joined the cluster');
    if (this.#presenceState === 'up') this.#setState({ kind: 'joined', text: `joined (${taken.how})` });
    if (taken.stopMayStartAtMs > clock.monotonicMs())
      clock.after(taken.stopMayStartAtMs - clock.monotonicMs(), () => this.#changed());
    await this.#holdOn(session, { leaseId: session.leaseId, settings: this.#settings, how: taken.how }, signal);
  }

  /** Until the lease is lost, presence is gone, or the signal aborts; rejects FENCED for a foreign nonce. */
  async #holdOn(session: Session, membership: Membership, signal: AbortSignal): Promise<void> {
    const { clock, log, whileMember } = this.#options;
    using end = new ChildAbort(signal);
    const ended = <T>(work: Promise<T>) => work.finally(() => end.abort());
    const results = await Promise.allSettled([
      ended(session.run(end.signal)),
      ended(watchOwnPresence(this.#ownPresence, end.signal)),
      this.#confirmResumed(session, end.signal),
      whileMember(membership, end.signal).catch((error: unknown) => {
        end.abort();
        throw error;
      }),
    ]);
    if (signal.aborted) return;
    this.#presenceRevision = undefined;
    this.#changed();
    clock.after(session.remainingMs(), () => this.#changed());
    const failure = results.find((result) => result.status === 'rejected');
    if (failure?.status === 'rejected') throw failure.reason;
    log.warn({ lease: membership.leaseId }, 'presence lost, registering again');
  }

  /** A session resumed after its deadline counts again once the store has shown that presence is still ours. */
  async #confirmResumed(session: Session, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    for (;;) {
      await this.#untilChange(() => session.state === 'resumed', signal);
      if (signal.aborted) return;
      try {
        if (await isOwnPresence(this.#ownPresence, signal)) session.confirm();
      } catch (err) {
        if (signal.aborted) return;
        log.debug({ err }, 'resumed session not confirmed yet');
      }
      if (session.state === 'resumed') await clock.sleep(CONFIRM_RETRY_MS, signal);
    }
  }

  /** Resolves when a change has made it true, or the signal aborts. */
  async #untilChange(isSo: () => boolean, signal: AbortSignal): Promise<void> {
    while (!isSo() && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          this.#changeWaiters.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.#changeWaiters.add(done);
        signal.addEventListener('abort', done, { once: true });
      });
    }
  }

  #changed(): void {
    for (const waiter of [...this.#changeWaiters]) waiter();
    this.#options.onChange();
  }

  get #ownPresence(): OwnPresenceOptions {
    const { kv, layout, node, nonce } = this.#options;
    const onOwn = (revision: Revision) => {
      if (this.#presenceRevision !== undefined) this.#presenceRevision = Math.max(this.#presenceRevision, revision);
    };
    return { kv, key: layout.presence(node), nonce, onOwn };
  }

  #setState(state: RegistrationState): void {
    if (this.#state.kind === state.kind && this.#state.text === state.text) return;
    this.#state = state;
    this.#changed();
  }
}
