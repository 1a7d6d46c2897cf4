import { AgentError } from '../domain/errors.ts';
import type { NodeId } from '../domain/ids.ts';
import type { Compare, KeyValue, Kv, LeaseId } from '../etcd/port.ts';
import { backoffMs } from '../loop/backoff.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import type { LeaseTiming } from './ask-leases.ts';
import { candidateCodec } from './codecs.ts';
import type { Term } from './commit-as-leader.ts';
import type { Layout } from './layout.ts';
import { LeaseWatch } from './lease-watch.ts';
import type { StorePulse } from './store-pulse.ts';
import { untilCandidacyOver } from './until-candidacy-over.ts';

/** More foreign keys than this are left alone in silence. */
const MOST_REPORTED = 20;

/** What a leader is told of its term. */
export interface Leadership {
  readonly term: Term;
  /** Whose candidacy this one watched to its end, if it did. */
  readonly predecessor: NodeId | undefined;
}

export interface ElectionOptions {
  readonly kv: Kv;
  readonly layout: Layout;
  readonly node: NodeId;
  readonly nonce: string;
  readonly leaseId: LeaseId;
  /** Proof that presence is this process's. */
  readonly guard: () => Compare | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** How long one that failed as leader stands aside. */
  readonly standAsideMs: number;
  /** By which elections of the store are noticed. */
  readonly pulse: StorePulse;
  readonly ttlMs: number;
  /** Of this agent's own lease; the others' are taken to be the same. */
  readonly timing: LeaseTiming;
  /** Leads until the signal aborts; rejects when it cannot go on. */
  readonly lead: (leadership: Leadership, signal: AbortSignal) => Promise<void>;
}

/**
 * Candidates queue by create revision, and each watches only the one before it, and its own: no stampede. The first leads until its key is gone
 * or written over. What is no candidacy, as text that somebody put there by hand, is reported and has no place in the queue.
 *
 * A leader may die with etcd's leader: nobody leads then who could notice it (see LeaseWatch). So the next in the queue watches its lease
 * after an election of etcd, and ends it. A candidate isn't told when the one before it comes to lead: all watch the one before them, and
 * only of one that they find dead they read whether it leads; another is the leader's to judge. Revoked alone, it does no harm: all
 * that follows is an election here. Whether too many others have gone with it is the new leader's to judge, before it replaces
 * anything; presence that is gone counts for that.
 */
export class Election {
  readonly #options: ElectionOptions;
  readonly #key: string;
  readonly #reported = new Set<string>();
  /** Who led when the queue was last read. */
  #first: KeyValue | undefined;
  #term: Term | undefined;
  #hasResigned = false;

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#key = options.layout.candidate(options.leaseId);
  }

  /** The term that this process leads in; undefined while it follows. */
  get term(): Term | undefined {
    return this.#term;
  }

  /** Stands, waits, leads, until the signal aborts; a store that is away is tried again. Doesn't resign: see {@link resign}. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, random, standAsideMs } = this.#options;
    for (let failures = 0; !signal.aborted && !this.#hasResigned; ) {
      try {
        const leadership = await this.#waitForTurn(signal);
        if (leadership === undefined) continue;
        failures = 0;
        await this.#lead(leadership, signal);
      } catch (err) {
        if (signal.aborted) return;
        failures += 1;
        const wasLeading = this.#term !== undefined;
        this.#term = undefined;
        if (wasLeading || failures === 1)
          log.warn({ err, failures }, wasLeading ? 'term ended' : 'election not reachable');
        if (this.#hasResigned) return;
        if (wasLeading) await this.#stepDown(signal);
        const waitMs = wasLeading
          ? standAsideMs
          : backoffMs(failures, { firstMs: 100, maxMs: 2_000, jitter: 0.5, random });
        await clock.sleep(waitMs, signal);
      }
    }
  }

  /** Leaves the queue for good, as leader or not; the next one follows at once. */
  async resign(signal: AbortSignal): Promise<void> {
    this.#hasResigned = true;
    await this.#leaveQueue(signal);
  }

  async #leaveQueue(signal: AbortSignal): Promise<void> {
    await this.#options.kv.commit({ compares: [], writes: [{ delete: this.#key }] }, signal);
  }

  /** Until it stands again. */
  async #stepDown(signal: AbortSignal): Promise<void> {
    try {
      await this.#leaveQueue(signal);
    } catch (err) {
      if (!signal.aborted) this.#options.log.warn({ err }, 'candidacy not withdrawn');
    }
  }

  /** The term once it's this candidate's turn; undefined when the queue must be read again. */
  async #waitForTurn(signal: AbortSignal): Promise<Leadership | undefined> {
    let predecessor: NodeId | undefined;
    for (;;) {
      const { queue, foreign, revision } = await this.#readQueue(signal);
      if (this.#hasResigned) return undefined;
      const at = queue.findIndex((candidate) => candidate.key === this.#key);
      if (at < 0) {
        if (foreign.some(({ key }) => key === this.#key)) await this.#leaveQueue(signal); // written over by somebody
        await this.#stand(signal);
        continue;
      }
      const own = queue[at];
      const before = queue[at - 1];
      if (own !== undefined && before === undefined) {
        return { term: { electionKey: this.#key, createRevision: own.createRevision }, predecessor };
      }
      if (before === undefined) return undefined;
      predecessor = nodeOf(before);
      await this.#untilMoved({ before, predecessor, fromRevision: revision + 1 }, signal);
      if (signal.aborted) return undefined;
    }
  }

  async #readQueue(signal: AbortSignal): Promise<Queue> {
    const { kv, layout } = this.#options;
    const { kvs, revision } = await kv.list(layout.election, signal);
    const { queue = [], foreign = [] } = Object.groupBy(kvs, (kv) => (isCandidacy(layout, kv) ? 'queue' : 'foreign'));
    for (const { key } of foreign) this.#reportForeign(key);
    queue.sort((a, b) => a.createRevision - b.createRevision);
    this.#first = queue[0];
    return { queue, foreign, revision };
  }

  /** Many may ask at once, when many have died: the whole queue is read only where the one that led is gone. */
  async #leads({ key }: KeyValue, signal: AbortSignal): Promise<boolean> {
    const first = this.#first;
    if (first !== undefined && first.key !== key) {
      const { kv: now } = await this.#options.kv.get(first.key, signal);
      if (now?.modRevision === first.modRevision) return false;
    }
    return (await this.#readQueue(signal)).queue[0]?.key === key;
  }

  /** Once a key. */
  #reportForeign(key: string): void {
    const shown = key.slice(0, 300);
    if (!this.#reported.has(shown) && this.#reported.size < MOST_REPORTED)
      this.#options.log.warn({ key: shown }, 'not a candidacy, left alone');
    if (this.#reported.size < MOST_REPORTED) this.#reported.add(shown);
  }

  async #stand(signal: AbortSignal): Promise<void> {
    const { kv, node, nonce, leaseId, guard } = this.#options;
    const proof = guard();
    if (proof === undefined)
      throw new AgentError('FENCED', 'Cannot stand for leader: expected the presence to be this process’s');
    const value = candidateCodec.encode({ node, nonce });
    const compares = [proof, { key: this.#key, createRevision: 0 }];
    const { applied } = await kv.commit({ compares, writes: [{ put: this.#key, value, lease: leaseId }] }, signal);
    if (applied) return;
    const { kv: found } = await kv.get(this.#key, signal);
    if (found === undefined)
      throw new AgentError('FENCED', 'Cannot stand for leader: expected the presence to be this process’s');
  }

  /**
   * Until the candidacy before this one is over, or this one itself: deleted by hand, or by a withdrawal of its own that was given up
   * and is applied late.
   */
  async #untilMoved({ before, predecessor, fromRevision }: Place, signal: AbortSignal): Promise<void> {
    using moved = new ChildAbort(signal);
    const { signal: stop } = moved;
    const ahead = this.#untilDeadOrOver(before, predecessor, fromRevision, stop);
    const own = untilCandidacyOver(this.#options, this.#key, fromRevision, stop);
    const ends = await Promise.allSettled([ahead, own].map((end) => end.finally(() => moved.abort())));
    const failure = ends.find((end) => end.status === 'rejected');
    if (failure !== undefined && !signal.aborted) throw failure.reason;
  }

  /** The same as {@link untilCandidacyOver}; the lease of one that leads is revoked when it's seen that its node is dead. */
  async #untilDeadOrOver(
    candidate: KeyValue,
    node: NodeId | undefined,
    fromRevision: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { key, lease: leaseId } = candidate;
    const watch = new LeaseWatch({
      ...this.#options,
      leases: () => (node === undefined ? [] : [{ node, leaseId }]),
      mayRevoke: (_lease, _unrenewed, stop) => this.#leads(candidate, stop),
    });
    using over = new ChildAbort(signal);
    const watching = watch.run(over.signal);
    try {
      await untilCandidacyOver(this.#options, key, fromRevision, signal);
    } finally {
      over.abort();
      await watching;
    }
  }

  async #lead(leadership: Leadership, signal: AbortSignal): Promise<void> {
    const { log, lead } = this.#options;
    this.#term = leadership.term;
    log.info({ term: leadership.term.createRevision, predecessor: leadership.predecessor }, 'elected leader');
    using end = new ChildAbort(signal);
    const keyOver = untilCandidacyOver(this.#options, this.#key, leadership.term.createRevision + 1, end.signal).then(
      () => end.abort(new AgentError('FENCED', 'Cannot go on leading: the candidacy is gone from the store')),
      (error: unknown) => end.abort(error),
    );
    try {
      await lead(leadership, end.signal);
      if (!signal.aborted)
        throw new AgentError('FENCED', `Cannot go on leading: term ${leadership.term.createRevision} has ended`);
    } finally {
      end.abort();
      await keyOver;
    }
    this.#term = undefined;
  }
}

/** Who stands for leader. */
interface Queue {
  /** The first leads, the others follow in this order. */
  readonly queue: readonly KeyValue[];
  /** What has no place in it. */
  readonly foreign: readonly KeyValue[];
  readonly revision: number;
}

/** A place in the queue that isn't the first. */
interface Place {
  readonly before: KeyValue;
  readonly predecessor: NodeId | undefined;
  /** From where on changes count. */
  readonly fromRevision: number;
}

/** As an agent writes it: once, bound to the lease that the key names. One that no lease ends would keep its place for ever. */
export function isCandidacy(layout: Layout, kv: KeyValue): boolean {
  return kv.lease !== '0' && kv.key === layout.candidate(kv.lease) && kv.modRevision === kv.createRevision;
}

function nodeOf(candidate: KeyValue): NodeId | undefined {
  try {
    return candidateCodec.decode(candidate.value, candidate.key).node;
  } catch {
    return undefined; // somebody else's text: it keeps its place in the queue, but names no node
  }
}
