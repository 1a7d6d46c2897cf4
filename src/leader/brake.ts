import type { LeaseTiming } from '../cluster/ask-leases.ts';
import { holdCodec } from '../cluster/codecs.ts';
import type { LeaderKv } from '../cluster/commit-as-leader.ts';
import type { Layout } from '../cluster/layout.ts';
import type { StorePulse } from '../cluster/store-pulse.ts';
import type { NodeId } from '../domain/ids.ts';
import type { Hold, MassLossSettings } from '../domain/node.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { KEEP_LOST_AFTER_MS } from '../plan/plan-cluster-loss.ts';
import type { ClusterState } from './cluster-state.ts';
import type { Committer } from './committer.ts';
import { FollowedHold } from './followed-hold.ts';
import { LeaseQuestion } from './lease-question.ts';
import type { LossClock } from './loss-clock.ts';
import { changeOfHold, type HoldFacts, holdToBegin, isMassLoss, stragglersMs } from './mass-loss.ts';
import type { Braking } from './node-times.ts';
import { renewedLeases } from './renewed-leases.ts';
import type { NodeEntry } from './state-entries.ts';
import { millisecondsBetween, remainingUntil } from './wall-time.ts';

export interface BrakeOptions {
  readonly kv: LeaderKv;
  readonly layout: Layout;
  readonly state: ClusterState;
  readonly committer: Pick<Committer, 'commit'>;
  readonly lossClock: LossClock;
  readonly pulse: StorePulse;
  readonly settings: MassLossSettings;
  readonly ttlMs: number;
  readonly timing: LeaseTiming;
  readonly clock: Clock;
  readonly log: Log;
  /** The answers to a question are in: look again. */
  readonly onAnswers: () => void;
}

/** The others' leases are asked for so long before a loss comes of age, so that the answers are there by then. */
const LEAD_MS = 300;
/** Without all answers a loss waits no longer than this beyond its time. */
const PATIENCE_MS = 200;
/** A node that hasn't come back so long after an outage of the store has gone for another reason. */
const OUTAGE_COUNTS_FOR_TTLS = 2;

/**
 * Holds the replacement of nodes that vanish together (P5). Two things make it:
 *
 * - More than a share of the nodes, and at least two, were lost within one hold's duration, are leaving, or have missed a renewal of
 *   their lease. Nodes lost before that don't count: they have been replaced long ago.
 * - The store was away from everyone for longer than the TTL (see StorePulse), came back less than two TTLs ago, and a node has not
 *   come back with it. That etcd has elected a leader alone says nothing: a dead machine may have led it.
 *
 * The hold is written before anything of these nodes is replaced, and read by the next leader. Over, it's kept until its nodes are back:
 * they begin no other.
 */
export class Brake implements Braking {
  readonly #options: BrakeOptions;
  /** Gone since it registered last, at that revision, and nothing is to be held for it. */
  readonly #judged = new Map<NodeId, number>();
  #question: LeaseQuestion | undefined;
  #followed: FollowedHold | undefined;

  constructor(options: BrakeOptions) {
    this.#options = options;
  }

  /** See Braking. However late it is, what nobody has judged is not released: that does only {@link apply}. */
  judgedInMs(node: NodeEntry, nowMs: number): number {
    if (!node.isKnown || this.#judged.has(node.id) || this.#isSettled(node, nowMs)) return 0;
    return Math.max(1, this.#dueInMs(node, nowMs) + PATIENCE_MS);
  }

  /** See Braking. */
  heldForMs({ id }: NodeEntry, nowMs: number): number {
    return this.#followed?.has(id) === true ? Math.max(0, this.#followed.endsAtMs - nowMs) : 0;
  }

  /**
   * Decides what is held, and writes it, before anything is planned on it. False: what is held has changed, in the store or here;
   * nothing may be planned before that is seen.
   */
  async apply(nowMs: number, nowIso: string, signal: AbortSignal): Promise<boolean> {
    const { layout, state, committer } = this.#options;
    this.#forgetReturned();
    this.#follow(nowMs, nowIso);
    this.#askOthers(nowMs, signal);
    const facts = this.#facts(nowMs, nowIso);
    const stored = state.hold;
    const next = this.#decide(facts, nowMs);
    if (next === stored?.value) {
      for (const id of facts.due) this.#judged.set(id, state.nodes.get(id)?.recordRevision ?? 0);
      if (facts.due.size > 0) this.#question = undefined; // what it found is as old as they are
      return true;
    }
    const key = layout.hold('mass-loss');
    const write = next === undefined ? { delete: key } : { put: key, value: holdCodec.encode(next) };
    const compares = [{ key, modRevision: stored?.revision ?? 0 }];
    if (await committer.commit({ compares, writes: [write] }, signal)) this.#tell(stored?.value, next);
    return false;
  }

  /** True when the loss of these too would be held, or something is. Some of them may be gone by now. */
  isTooMany(nodes: Iterable<NodeId>): boolean {
    const { clock, settings } = this.#options;
    const { gone, known } = this.#facts(clock.monotonicMs(), '');
    return this.#active !== undefined || isMassLoss(new Set([...gone, ...nodes]).size, known, settings);
  }

  /** When time alone changes what is held, or may be judged; undefined: it doesn't. */
  nextInMs(nowMs: number): number | undefined {
    const times: number[] = [];
    for (const node of this.#options.state.attendance.absent) {
      if (!node.isKnown || this.#judged.has(node.id) || this.#isSettled(node, nowMs)) continue;
      const dueInMs = this.#dueInMs(node, nowMs);
      times.push(dueInMs - LEAD_MS, dueInMs, Math.max(1, dueInMs + PATIENCE_MS));
    }
    if (this.#active !== undefined && this.#followed !== undefined) {
      const { endsAtMs, returnedAtMs } = this.#followed;
      times.push(Math.max(1, endsAtMs - nowMs), this.#followed.sureInMs(nowMs) ?? 0);
      if (returnedAtMs !== undefined) times.push(returnedAtMs + stragglersMs(this.#options.settings) - nowMs);
    }
    const ahead = times.filter((ms) => ms > 0);
    return ahead.length === 0 ? undefined : Math.ceil(Math.min(...ahead));
  }

  get #active(): Hold | undefined {
    const hold = this.#options.state.hold?.value;
    return hold?.ended === undefined ? hold : undefined;
  }

  /** Part of a hold, be it over or not, or lost before anything that could be one: there's nothing to judge. */
  #isSettled(node: NodeEntry, nowMs: number): boolean {
    if (this.#options.state.hold?.value?.nodes.includes(node.id) === true) return true;
    return !this.#isRecent(node, nowMs);
  }

  /** Lost within a hold's duration, as this leader has seen it or an earlier one has written. */
  #isRecent(node: NodeEntry, nowMs: number): boolean {
    const { lossClock, clock, settings } = this.#options;
    const { forMs = 0 } = lossClock.absence(node.id, nowMs) ?? {};
    const since = node.isStillLost ? node.verdict?.lostSince : undefined;
    if (since === undefined || forMs >= settings.holdMs) return forMs < settings.holdMs;
    const storedForMs = millisecondsBetween(since, clock.wallTime().toISOString());
    return storedForMs !== undefined && storedForMs < settings.holdMs;
  }

  /** When its loss comes of age, whatever is held. */
  #dueInMs(node: NodeEntry, nowMs: number): number {
    const { forMs = 0, trustInMs = 0 } = this.#options.lossClock.absence(node.id, nowMs) ?? {};
    return trustInMs > 0 ? Math.max(trustInMs, KEEP_LOST_AFTER_MS - forMs) : KEEP_LOST_AFTER_MS - forMs;
  }

  #decide(facts: HoldFacts, nowMs: number): Hold | undefined {
    const stored = this.#options.state.hold?.value;
    const active = this.#active;
    if (active !== undefined && this.#followed !== undefined) {
      const { endsAtMs, going, still, returnedAtMs } = this.#followed;
      const returnedForMs = returnedAtMs === undefined ? undefined : nowMs - returnedAtMs;
      return changeOfHold(active, facts, { remainingMs: endsAtMs - nowMs, going, still, returnedForMs }) ?? active;
    }
    return holdToBegin(facts) ?? this.#whatIsLeft(stored, nowMs);
  }

  /** Of a hold that is over: its nodes that have never been back since. */
  #whatIsLeft(hold: Hold | undefined, nowMs: number): Hold | undefined {
    const { nodes } = this.#options.state;
    const left = hold?.nodes.filter((id) => {
      const node = nodes.get(id);
      return node !== undefined && this.#isGoing(node) && this.#isRecent(node, nowMs);
    });
    if (hold === undefined || left === undefined || left.length === 0) return undefined;
    return left.length === hold.nodes.length ? hold : { ...hold, nodes: left };
  }

  #isGoing(node: NodeEntry): boolean {
    return node.presence === undefined || node.presence.value.state === 'leaving';
  }

  #facts(nowMs: number, nowIso: string): HoldFacts {
    const { settings, state, pulse, ttlMs } = this.#options;
    const { absent, leaving, here } = state.attendance;
    const stored = state.hold?.value;
    const past = new Set(stored?.ended === undefined ? [] : stored.nodes);
    const held = new Set(this.#active?.nodes);
    const gone = new Set<NodeId>();
    const due = new Set<NodeId>();
    let known = here.size;
    for (const node of absent) {
      const isRecent = node.isKnown && this.#isRecent(node, nowMs) && !past.has(node.id);
      if (isRecent || held.has(node.id)) known += 1;
      if (!isRecent) continue;
      gone.add(node.id);
      if (!this.#judged.has(node.id) && this.#isDue(node, nowMs)) due.add(node.id);
    }
    const { outage } = pulse;
    const isOutageRecent = outage !== undefined && nowMs - outage.endedAtMs < OUTAGE_COUNTS_FOR_TTLS * ttlMs;
    const storeWasAwayMs = isOutageRecent && due.size > 0 ? outage.lengthMs : undefined;
    for (const { id } of leaving) {
      if (past.has(id)) continue;
      gone.add(id);
      if (!this.#judged.has(id)) due.add(id);
    }
    return { nowIso, settings, known, gone, due, silent: this.#silent(), storeWasAwayMs };
  }

  #isDue(node: NodeEntry, nowMs: number): boolean {
    const dueInMs = this.#dueInMs(node, nowMs);
    const isAnswered = this.#question?.isAnswered === true && this.#question.about.has(node.id);
    return dueInMs <= 0 && (isAnswered || dueInMs <= -PATIENCE_MS);
  }

  /** Of those that had missed a renewal when they were asked: who still has that lease. */
  #silent(): ReadonlySet<NodeId> {
    const { nodes } = this.#options.state;
    const silent = new Set<NodeId>();
    for (const [id, leaseId] of this.#question?.silent ?? []) {
      const node = nodes.get(id);
      if (node?.presence?.value.state === 'up' && node.leaseId === leaseId) silent.add(id);
    }
    return silent;
  }

  #askOthers(nowMs: number, signal: AbortSignal): void {
    const { state } = this.#options;
    const { absent, here } = state.attendance;
    const soon = [...absent].filter(
      (node) =>
        node.isKnown &&
        !this.#judged.has(node.id) &&
        !this.#isSettled(node, nowMs) &&
        this.#dueInMs(node, nowMs) <= LEAD_MS,
    );
    const isAsked = soon.every(({ id }) => this.#question?.about.has(id) === true);
    const isUnderWay = this.#question !== undefined && !this.#question.isAnswered;
    if (isAsked || isUnderWay || this.#active !== undefined) return;
    const recent = [...absent].filter((node) => node.isKnown && this.#isRecent(node, nowMs));
    const about = new Set([...recent, ...state.attendance.leaving].map(({ id }) => id));
    const others = renewedLeases(here);
    const { kv, clock, settings, timing, onAnswers: onEnd } = this.#options;
    const known = here.size + recent.length;
    this.#question = LeaseQuestion.ask({ about, others, known }, { kv, clock, settings, timing, onEnd }, signal);
  }

  /** Follows an active hold: when it ends here, and when the last of its nodes came back. */
  #follow(nowMs: number, nowIso: string): void {
    const hold = this.#active;
    if (hold === undefined) {
      this.#followed = undefined;
      return;
    }
    if (this.#followed?.since !== hold.since) {
      const { state, settings, ttlMs } = this.#options;
      const endsAtMs = nowMs + remainingUntil(hold.until, nowIso, settings.holdMs);
      const isGoing = (id: NodeId) => {
        const node = state.nodes.get(id);
        return node !== undefined && this.#isGoing(node);
      };
      this.#followed = new FollowedHold({ hold, nowMs, endsAtMs, ttlMs, isGoing });
    }
    this.#followed.look(hold, nowMs);
  }

  #forgetReturned(): void {
    for (const [id, registeredAt] of this.#judged) {
      const node = this.#options.state.nodes.get(id);
      if (node?.recordRevision !== registeredAt || !this.#isGoing(node)) this.#judged.delete(id);
    }
  }

  #tell(before: Hold | undefined, next: Hold | undefined): void {
    const { log } = this.#options;
    if (next === undefined || (before?.ended !== undefined && next.ended !== undefined)) return;
    const { reason, nodes, until, ended } = next;
    if (ended !== undefined) log.warn({ nodes, reason: ended.reason }, 'hold ended, what is left is healed');
    else log.warn({ nodes, reason, until }, before === undefined ? 'nodes vanished together, held' : 'hold extended');
  }
}
