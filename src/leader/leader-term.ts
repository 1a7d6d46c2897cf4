import { type LeaseTiming, usualTiming } from '../cluster/ask-leases.ts';
import type { LeaderKv } from '../cluster/commit-as-leader.ts';
import type { Leadership } from '../cluster/election.ts';
import type { Layout } from '../cluster/layout.ts';
import { Mirror } from '../cluster/mirror.ts';
import { StorePulse } from '../cluster/store-pulse.ts';
import { AgentError, errorText } from '../domain/errors.ts';
import type { CalmSettings, ClusterSettings } from '../domain/node.ts';
import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { type LoopOptions, ReconcileLoop } from '../loop/reconcile-loop.ts';
import { ReportOnce } from '../loop/report-once.ts';
import { planCluster } from '../plan/plan-cluster.ts';
import type { PlanProblem } from '../plan/plan-cluster-step.ts';
import { Brake } from './brake.ts';
import { countCluster, type LeaderFigures } from './cluster-figures.ts';
import { ClusterState } from './cluster-state.ts';
import { Committer, type CommitterOptions } from './committer.ts';
import { planDrained } from './drained.ts';
import { EarlyLoss } from './early-loss.ts';
import { LossClock } from './loss-clock.ts';
import { calmSettings, massLossSettings } from './mass-loss.ts';
import { PassDeadline } from './pass-deadline.ts';
import { commitRemovals } from './removals.ts';
import { logVerdict, planLosses, planReturns, type VerdictChange } from './verdicts.ts';
import { WakeTimes } from './wake-times.ts';

/** An idle leader passes so rarely, only to see that it still can. */
const IDLE_PASS_MS = 3_600_000;
/** So many lost compares in a row are no coincidence. */
const OVERTAKEN_WORTH_SAYING = 10;
/** A pass plans and commits no more at once: what comes up meanwhile, as the loss of a node, doesn't wait for long. */
const STEPS_PER_PASS = 1_000;
/** Nor more verdicts on nodes, which are committed one by one. */
const VERDICTS_PER_PASS = 100;
/** What the leader has just changed for itself is seen in the next pass, which waits so long for the mirror. */
const OVERTAKEN_WAIT_MS = 10;
/** A leader whose passes fail for so many TTLs steps down. */
const RESIGN_AFTER_TTLS = 3;

export interface LeaderOptions {
  readonly kv: LeaderKv;
  readonly layout: Layout;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly ttlMs: number;
  /** What operators may have set; the rest has its defaults. */
  readonly settings?: Pick<ClusterSettings, 'massLoss' | 'calm'> & Partial<Pick<ClusterSettings, 'agentAwayMs'>>;
  /** Of this agent's own lease; the others' are taken to be the same. */
  readonly timing?: LeaseTiming;
  /** How the store did, also before the term. */
  readonly pulse?: StorePulse;
  /** See ReconcileLoop. */
  readonly onPass?: LoopOptions['onPass'];
  /** A step of a plan has been committed. */
  readonly onStep?: CommitterOptions['onStep'];
}

/** One term of a leader: a mirror of the cluster, and a loop that plans on it and commits. */
export class LeaderTerm {
  readonly #options: LeaderOptions;
  readonly #leadership: Leadership;
  readonly #state: ClusterState;
  readonly #mirror: Mirror;
  readonly #committer: Committer;
  readonly #brake: Brake;
  readonly #earlyLoss: EarlyLoss;
  readonly #calm: CalmSettings;
  readonly #loop: ReconcileLoop;
  readonly #reports: ReportOnce;
  readonly #deadline: PassDeadline;
  readonly #wakes = new WakeTimes();
  readonly #end = new AbortController();
  #endedBy: Error | undefined;
  #lostCompares = 0;
  #hasBegun = false;
  #isDoubted = false;

  constructor(options: LeaderOptions, leadership: Leadership) {
    const { kv, layout, clock, log, random, ttlMs } = options;
    this.#options = options;
    this.#leadership = leadership;
    this.#reports = new ReportOnce(clock);
    this.#deadline = new PassDeadline(clock, RESIGN_AFTER_TTLS * ttlMs, (error) => this.#endTerm(error));
    const { pulse = new StorePulse(clock), settings = {}, timing = usualTiming } = options;
    this.#calm = calmSettings(settings);
    const lossClock = new LossClock({ ttlMs, termBeganMs: clock.monotonicMs(), predecessor: leadership.predecessor });
    this.#state = this.#makeState(lossClock);
    this.#mirror = this.#makeMirror();
    const { term } = leadership;
    const { onPass, onStep } = options;
    this.#committer = new Committer({ kv, layout, mirror: this.#mirror, term, log, onStep });
    const parts = { kv, layout, state: this.#state, pulse, ttlMs, timing, clock, log };
    this.#brake = new Brake({
      ...parts,
      lossClock,
      committer: this.#committer,
      settings: massLossSettings({ ...settings, ttlMs }),
      onAnswers: () => this.#loop.nudge(),
    });
    this.#earlyLoss = new EarlyLoss({ ...parts, term, isTooMany: (nodes) => this.#brake.isTooMany(nodes) });
    this.#loop = new ReconcileLoop({
      clock,
      intervalMs: IDLE_PASS_MS,
      backoffMs: (failures) => backoffMs(failures, { firstMs: 100, maxMs: 2_000, jitter: 0.5, random }),
      pass: (stop) => this.#pass(stop),
      onFailure: (error, failures) => this.#failed(error, failures),
      onPass,
    });
  }

  /** For whoever watches over it. */
  get figures(): LeaderFigures {
    const cluster = this.#mirror.synced ? countCluster(this.#state) : undefined;
    return { cluster, passRunningForMs: this.#loop.runningForMs };
  }

  /** Leads until the signal aborts; rejects with the reason when the term ends otherwise. */
  async run(signal: AbortSignal): Promise<void> {
    const onAbort = () => this.#end.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      const { signal: end } = this.#end;
      const early = this.#mirror.waitForList(end).then(() => this.#earlyLoss.run(end));
      await Promise.all([this.#mirror.run(end), this.#loop.run(end), early]);
    } finally {
      this.#end.abort();
      this.#deadline.spare();
      signal.removeEventListener('abort', onAbort);
    }
    if (this.#endedBy !== undefined) throw this.#endedBy;
  }

  #makeState(lossClock: LossClock): ClusterState {
    const { layout, log, ttlMs } = this.#options;
    return new ClusterState({
      layout,
      ttlMs,
      lossClock,
      calmAtMostMs: this.#calm.mostMs,
      agentAwayMs: this.#options.settings?.agentAwayMs ?? 0,
      onUnreadable: (key, err) => {
        this.#reports.report(key, errorText(err), () =>
          log.warn({ key: key.slice(0, 300), err }, 'stored value left alone'),
        );
      },
    });
  }

  #makeMirror(): Mirror {
    const { kv, layout, clock, log, random } = this.#options;
    return new Mirror({
      kv,
      prefix: layout.root,
      keep: (key) => this.#state.reads(key),
      clock,
      log,
      random,
      onChange: (changed) => {
        this.#state.absorb(this.#mirror.entries, changed, clock.monotonicMs());
        this.#loop.nudge();
      },
    });
  }

  async #pass(signal: AbortSignal): Promise<void> {
    this.#deadline.arm();
    if (!this.#mirror.synced) return;
    await this.#committer.settle(signal);
    signal.throwIfAborted();
    this.#logBeginning();
    if (!this.#seesDoubt()) {
      const judgedAtMs = await this.#judgeNodes(signal);
      if (judgedAtMs !== undefined) await this.#plan(judgedAtMs, signal);
    }
    this.#deadline.succeeded();
  }

  /**
   * Which nodes are back, and what of the others is held; returns as of when. What is planned is planned as of then: a loss that comes
   * of age a moment later is nobody's yet. Undefined: it has just changed; the next pass sees it.
   */
  async #judgeNodes(signal: AbortSignal): Promise<number | undefined> {
    const { clock } = this.#options;
    const nowIso = clock.wallTime().toISOString();
    const returns = planReturns(this.#options.layout, this.#state.nodes.values(), nowIso, this.#calm);
    await this.#commitVerdicts(returns, signal);
    const nowMs = clock.monotonicMs();
    const isSettled = await this.#brake.apply(nowMs, nowIso, signal);
    if (isSettled && returns.length === 0) return nowMs;
    this.#loop.nudgeWithin(OVERTAKEN_WAIT_MS);
    return undefined;
  }

  async #plan(nowMs: number, signal: AbortSignal): Promise<void> {
    const { clock, layout, log } = this.#options;
    const nowIso = clock.wallTime().toISOString();
    const view = this.#state.view(nowMs, nowIso, this.#brake);
    this.#state.markDirty(this.#wakes.due(nowMs));
    const dirty = this.#state.takeDirty();
    try {
      const plan = planCluster(view, dirty, STEPS_PER_PASS);
      this.#reportProblems(plan.problems);
      this.#replan(await this.#committer.commitSteps(plan.steps, signal));
      await this.#commitVerdicts(planLosses(layout, this.#state.attendance.absent, nowIso), signal);
      await this.#commitVerdicts(planDrained(layout, this.#state.nodes.values(), nowIso), signal);
      await commitRemovals({ layout, log, state: this.#state, committer: this.#committer }, signal);
      this.#state.markDirty(plan.unfinished);
      if (plan.unfinished.size > 0) this.#loop.nudge();
      this.#wakes.learn(dirty, plan.wakes, clock.monotonicMs());
      this.#nudgeInTime(plan.nextInMs);
    } catch (error) {
      this.#state.markDirty(dirty);
      throw error;
    }
  }

  #nudgeInTime(planInMs: number | undefined): void {
    const nowMs = this.#options.clock.monotonicMs();
    const times = [planInMs, this.#wakes.nextInMs(nowMs), this.#brake.nextInMs(nowMs), this.#state.nextCalmInMs(nowMs)];
    for (const inMs of times) if (inMs !== undefined) this.#loop.nudgeWithin(inMs);
  }

  /** While any node doubts the store, what it holds may be of the past: nothing is planned on it. */
  #seesDoubt(): boolean {
    const { inDoubt } = this.#state.attendance;
    if (inDoubt.size > 0 !== this.#isDoubted) {
      const nodes = [...inDoubt].map(({ name, presence }) => `${name}: ${presence?.value.doubt ?? 'no reason given'}`);
      if (inDoubt.size > 0)
        this.#options.log.warn({ nodes }, 'nodes doubt the store: nothing is planned until none does');
      else this.#options.log.info('no node doubts the store any more: planning again');
    }
    this.#isDoubted = inDoubt.size > 0;
    return this.#isDoubted;
  }

  /** Somebody else has written meanwhile: the mirror will show it, and nudge; the wait is for the case that it had already. */
  #replan(workloads: Awaited<ReturnType<Committer['commitSteps']>>): void {
    if (workloads.size === 0) {
      this.#lostCompares = 0;
      return;
    }
    this.#state.markDirty(workloads);
    const { log } = this.#options;
    const again = { workloads: [...workloads].slice(0, 20), times: this.#lostCompares + 1 };
    if (again.times % OVERTAKEN_WORTH_SAYING === 0) log.warn(again, 'plan overtaken again and again');
    else log.debug(again, 'plan overtaken, planning again');
    this.#loop.nudgeWithin(Math.min(2_000, 10 * 2 ** this.#lostCompares));
    this.#lostCompares += 1;
  }

  /** As many as one pass may; the next one, at once, finds the others again. */
  async #commitVerdicts(changes: readonly VerdictChange[], signal: AbortSignal): Promise<void> {
    for (const change of changes.slice(0, VERDICTS_PER_PASS)) {
      if (await this.#committer.commit(change, signal)) logVerdict(this.#options.log, change);
    }
    if (changes.length > VERDICTS_PER_PASS) this.#loop.nudge();
  }

  #reportProblems(problems: readonly PlanProblem[]): void {
    for (const { workload, instance, reason } of problems) {
      this.#reports.report(instance ?? workload, reason, () => {
        this.#options.log.warn({ workload, instance, reason }, 'left alone while planning');
      });
    }
  }

  #logBeginning(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    const { predecessor, term } = this.#leadership;
    const fields = { term: term.createRevision, predecessor, revision: this.#mirror.revision };
    this.#options.log.info({ ...fields, nodes: this.#state.nodes.size }, 'leading');
  }

  #failed(error: unknown, failures: number): void {
    this.#deadline.failed(error);
    if (error instanceof AgentError && error.code === 'FENCED') this.#endTerm(error);
    else if (error instanceof AgentError && error.code === 'FULL') this.#deadline.spare(); // another leader could write no more
    if (this.#end.signal.aborted) return;
    if (failures === 1 || failures % 20 === 0) this.#options.log.warn({ err: error, failures }, 'pass failed');
  }

  #endTerm(error: Error): void {
    this.#endedBy ??= error;
    this.#end.abort(error);
  }
}
