import { AgentError, errorCodeOf, errorText } from '../domain/errors.ts';
import type { ClusterSettings, NodeRecord } from '../domain/node.ts';
import type { Compare, LeaseId, StoreIdentity } from '../etcd/port.ts';
import { defaultLeaseSplit, Session } from '../etcd/session.ts';
import { backoffMs } from '../loop/backoff.ts';
import { Changes } from '../loop/changes.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import { ensureCluster, readSettings } from './cluster-settings.ts';
import { HeldPresence } from './held-presence.ts';
import { listenToStore } from './listen-to-store.ts';
import { MembershipRun } from './membership-run.ts';
import type { Lease, Membership, RegistrationOptions, RegistrationState } from './registration-options.ts';
import { StopDeadlines } from './stop-deadlines.ts';
import { StoreTrust } from './store-trust.ts';
import { type TakenPresence, takePresence } from './take-presence.ts';

/** How soon a refused node looks again whether it's still refused. */
const REFUSED_RETRY_MS = 10_000;
/** A membership that ends sooner counts as a failure to join. */
const STEADY_MS = 1_000;

/** Keeps this node registered: takes presence, renews its lease, registers again when the store has lost it. */
export class Registration {
  readonly #options: RegistrationOptions;
  readonly #trust: StoreTrust;
  readonly #held: HeldPresence;
  readonly #deadlines: StopDeadlines;
  readonly #changes = new Changes();
  #state: RegistrationState = { kind: 'joining', text: 'joining: the store has not answered yet' };
  #session: Session | undefined;
  #isDecided = false;
  /** Presence is left to a lease that outlives this process: that the old one is lost is as it should be. */
  #isHandedOver = false;
  #settings: ClusterSettings | undefined;
  #run: MembershipRun | undefined;
  /** How often the store was judged otherwise than before: what presence says of it is as old as the last one. */
  #judgements = 0;

  constructor(options: RegistrationOptions) {
    const { kv, layout, node, nonce, files, clock, log, random, split = defaultLeaseSplit } = options;
    this.#options = options;
    this.#deadlines = new StopDeadlines(clock, split);
    const onChange = () => {
      this.#judgements += 1;
      this.#run?.judgedAnew(); // presence is taken anew, and says what is thought of the store
      this.#changed();
    };
    const trust = new StoreTrust({
      ...{ kv, files, root: layout.root, clock, log, random, onChange },
      readSettings: (signal) => readSettings(kv, layout, signal),
    });
    this.#trust = trust;
    this.#held = new HeldPresence({
      kv: {
        // Of an older copy of the store it would learn that presence is another process's, and end for it.
        get: (key, signal) => trust.checked(() => kv.get(key, signal)),
        watch: (range, from, onBatch, signal) => kv.watch(range, from, onBatch, signal),
        commit: (txn, signal) => kv.commit(txn, signal),
      },
      layout,
      node,
      nonce,
      doubt: () => (trust.doubt === undefined ? {} : { doubt: trust.doubt, epoch: trust.epoch }),
    });
  }

  get state(): RegistrationState {
    // Past the deadline the store may have dropped us: nobody can tell until it answers.
    if (this.#state.kind === 'joined' && this.#session?.holds === false)
      return { kind: 'joining', text: 'etcd has not answered in time: what runs, runs on' };
    return this.#state;
  }

  /** The lease that presence is bound to, or was last; undefined before the first. */
  get lease(): Lease | undefined {
    return this.#session;
  }

  /** Whether the store is the one that this node has known. */
  get trust(): StoreTrust {
    return this.#trust;
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
    return this.#held.guard();
  }

  /** `stop` instances may start: the deadline holds and no earlier boot can still run them. */
  maySafelyRun(): boolean {
    return this.#deadlines.mayStart;
  }

  /** `stop` instances must end: the fence time of a lease that was ours has come. */
  isFenced(): boolean {
    return this.#deadlines.isFenced;
  }

  /** See NodeRights. */
  get killAtMs(): number | undefined {
    return this.#deadlines.killAtMs;
  }

  /** See NodeRights. */
  get epoch(): number {
    return this.#trust.epoch;
  }

  /** See NodeRights. */
  get isStoreTrusted(): boolean {
    return this.#trust.doubt === undefined;
  }

  /** Until the signal aborts. Rejects (`FENCED`) when another process has taken this node's presence: then this one must end. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#trust.load();
    using end = new ChildAbort(signal);
    const staying = this.#stayJoined(signal).finally(() => end.abort());
    const [ended] = await Promise.allSettled([staying, this.#trust.run(end.signal)]);
    if (ended.status === 'rejected') throw ended.reason;
    await this.#trust.flush();
  }

  async #stayJoined(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      let joinedAtMs = Number.POSITIVE_INFINITY;
      try {
        await this.#joinOnce(signal, () => {
          joinedAtMs = clock.monotonicMs();
        });
        throw new AgentError('STALE', 'Cannot stay joined: presence is to be taken anew');
      } catch (err) {
        if (this.#isHandedOver) await this.#changes.until(() => false, signal);
        if (signal.aborted) break;
        if (errorCodeOf(err) === 'FENCED') throw err;
        const wasSteady = clock.monotonicMs() - joinedAtMs >= STEADY_MS;
        if (wasSteady) failures = 0;
        if (wasSteady && errorCodeOf(err) === 'STALE') continue; // dropped by the store: registered anew at once
        failures += 1;
        await this.#pause(err, failures, signal);
      }
    }
  }

  /** Says in presence that the machine goes down; the lease stays and is renewed. */
  async writeLeaving(signal: AbortSignal): Promise<void> {
    this.#setState({ kind: 'leaving', text: 'the machine goes down' });
    await this.#held.say('leaving', signal);
  }

  /** Leaves presence with a lease that outlives this process by `agentAway`: the agent is expected back. */
  async handOver(signal: AbortSignal): Promise<void> {
    const { kv, clock } = this.#options;
    if (this.#settings === undefined || this.guard() === undefined) return;
    const old = this.#held.leaseId;
    const { ttlMs, agentAwayMs } = this.#settings;
    const fromMs = clock.monotonicMs();
    const lease = await kv.grantLease(agentAwayMs, signal);
    this.#isHandedOver = true;
    await this.#held.say('away', signal, lease);
    this.#deadlines.handedOver(fromMs, agentAwayMs, ttlMs);
    this.#options.onRenewed();
    if (old !== undefined) await kv.revokeLease(old, signal);
  }

  /** Takes the node out at once: its presence and its lease go. */
  async withdraw(signal: AbortSignal): Promise<void> {
    const { leaseId } = this.#held;
    if (leaseId !== undefined) await this.#options.kv.revokeLease(leaseId, signal);
  }

  async #pause(err: unknown, failures: number, signal: AbortSignal): Promise<void> {
    const { clock, log, random } = this.#options;
    const isRefused = errorCodeOf(err) === 'CONFLICT' || errorCodeOf(err) === 'INVALID_INPUT';
    const isLeaving = this.#held.state === 'leaving';
    this.#setState({ kind: isLeaving ? 'leaving' : isRefused ? 'refused' : 'joining', text: errorText(err) });
    if (failures === 1 || failures % 30 === 0)
      log.warn({ failures, err }, isRefused ? 'join refused' : 'cannot join yet');
    await clock.sleep(
      isRefused ? REFUSED_RETRY_MS : backoffMs(failures, { firstMs: 100, maxMs: 1_000, jitter: 0.5, random }),
      signal,
    );
  }

  async #joinOnce(signal: AbortSignal, onJoined: () => void): Promise<void> {
    const { kv, layout, defaults, clock, log } = this.#options;
    const trust = this.#trust;
    const settings = await ensureCluster(
      listenToStore(kv, trust),
      layout,
      { ...defaults, epoch: Math.max(1, trust.epoch) },
      signal,
    );
    await trust.judge(settings, signal);
    const judgements = this.#judgements;
    this.#settings = settings;
    const record = await this.#options.makeRecord(signal);
    const taken = await this.#take(record, settings, signal);
    const { session } = taken;
    this.#session = session;
    this.#deadlines.joined(session, taken.stopMayStartAtMs);
    this.#held.taken({
      leaseId: session.leaseId,
      revision: taken.revision,
      record,
      ttlMs: settings.ttlMs,
    });
    this.#isDecided = true;
    onJoined();
    const { doubt } = trust;
    log.info({ how: taken.how, lease: session.leaseId, ttlMs: session.ttlMs, doubt }, 'joined the cluster');
    if (this.#held.state !== 'leaving')
      this.#setState(
        doubt === undefined ? { kind: 'joined', text: `joined (${taken.how})` } : { kind: 'in-doubt', text: doubt },
      );
    this.#options.onRenewed();
    if (taken.stopMayStartAtMs > clock.monotonicMs())
      clock.after(taken.stopMayStartAtMs - clock.monotonicMs(), () => this.#changed());
    const membership = { leaseId: session.leaseId, settings, how: taken.how };
    await this.#holdOn(session, membership, judgements, signal);
  }

  #take(record: NodeRecord, settings: ClusterSettings, signal: AbortSignal): Promise<TakenPresence> {
    const { kv, layout, node, nonce, clock, log, random, onRenewed, split = defaultLeaseSplit } = this.#options;
    const { ttlMs } = settings;
    const sessionOptions = {
      ...{ kv, clock, log, ttlMs, random, split, onRenewed },
      onChange: () => this.#changed(),
      onAnswer: (store: StoreIdentity) => this.#trust.noteHint(store),
    };
    const sessions = {
      open: (stop: AbortSignal) => Session.open(sessionOptions, stop),
      adopt: (id: LeaseId, stop: AbortSignal) => Session.adopt(sessionOptions, id, stop),
    };
    const renewIntervalMs = ttlMs * split.renewPart;
    const says = this.#held.words;
    return takePresence({ kv, sessions, layout, node, nonce, record, says, ttlMs, renewIntervalMs, clock }, signal);
  }

  /** @param judgements when presence was written */
  async #holdOn(session: Session, membership: Membership, judgements: number, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const run = new MembershipRun({
      ...this.#options,
      trust: this.#trust,
      held: this.#held,
      changes: this.#changes,
      session,
      onSettings: (settings) => {
        this.#settings = settings;
      },
      whileTrusted: (stop) => this.#options.whileMember(membership, stop),
    });
    this.#run = run;
    try {
      const end = judgements === this.#judgements ? await run.run(signal) : 'judged-anew';
      if (end === 'lost' && !signal.aborted) log.warn({ lease: session.leaseId }, 'presence lost, registering again');
    } finally {
      this.#run = undefined;
      if (!signal.aborted) {
        this.#held.released();
        this.#changed();
        clock.after(session.remainingMs(), () => this.#changed());
      }
    }
  }

  #changed(): void {
    this.#changes.tell();
    this.#options.onChange();
  }

  #setState(state: RegistrationState): void {
    if (this.#state.kind === state.kind && this.#state.text === state.text) return;
    this.#state = state;
    this.#changed();
  }
}
