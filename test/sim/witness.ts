import { type Layout, makeLayout } from '../../src/cluster/layout.ts';
import { errorText } from '../../src/domain/errors.ts';
import type { InstanceKey } from '../../src/domain/ids.ts';
import { displayName } from '../../src/domain/names.ts';
import type { FakeItem } from '../support/fake-machine.ts';
import { LeaderWitness } from './leader-witness.ts';
import type { OrderHistory, PastOrder } from './order-history.ts';
import { FENCE_PART, type SimMachine } from './sim-machine.ts';
import type { SimWorld } from './sim-world.ts';

/** An order that came so long before a start may be the one that the node still acts on. */
const LAG_MS = 60_000;
/** What was decided in doubt may still be done so long after an answer came. */
const DOUBT_LAG_MS = 3_000;
/** A machine that was frozen as a whole has ended its `stop` instances so soon after it goes on. */
const THAW_LIMIT_MS = 300;
/** What an agent had begun when the store was set back goes on for so long at most. */
const BEGUN_MS = 10_000;

/** Sees everything that happens on all machines, and holds it against the promises at every moment. */
export class Witness {
  readonly violations: string[] = [];
  /** How long each `stop` instance ran on two machines after one of them, frozen as a whole, went on: the one exception. */
  readonly thawOverlapsMs: number[] = [];
  /** `stop` instances that began as a confirmed older store orders them, while they ran elsewhere by orders that it doesn't know. */
  readonly restoreOverlaps: string[] = [];
  /** What an agent did by an older store that can't have known a later one, when none that does was left to say so. */
  readonly unknowingActs: string[] = [];
  readonly history: OrderHistory;
  readonly #world: SimWorld;
  readonly #leaderWitness: LeaderWitness;
  /** Since when, by machine and instance. */
  readonly #overlaps = new Map<FakeItem, number>();
  /** The highest fencing token with which each `stop` instance has begun. */
  readonly #tokens = new Map<string, bigint>();

  constructor(world: SimWorld, history: OrderHistory) {
    this.#world = world;
    this.history = history;
    this.#leaderWitness = new LeaderWitness(world, history, (what) => this.#violate(what));
  }

  began(machine: SimMachine, item: FakeItem): void {
    if (item.cluster === undefined) return;
    const { key, disconnect, specHash } = item.order;
    this.#world.note(machine.name, `${displayName(key)} runs`);
    if (
      !this.#actable(machine, key).some((past) => past.order === 'run' && !past.isLoad && past.specHash === specHash)
    ) {
      const what = `${displayName(key)} was started on ${machine.name} without an order`;
      if (this.#canDoubt(machine)) this.#violate(what);
      else this.unknowingActs.push(what);
    }
    if (disconnect === 'stop') this.#assertAlone(machine, item);
    if (disconnect === 'stop') this.#assertNewToken(machine, item);
  }

  ended(machine: SimMachine, item: FakeItem): void {
    if (item.cluster !== undefined) {
      this.#world.note(machine.name, `${displayName(item.order.key)} ended: ${item.phase}`);
      this.#leaderWitness.ended(machine, item.order.key);
      this.#endOverlap(item);
    } else if (machine.isOn) this.#violate(`what the host ${machine.name} has itself was stopped: ${item.order.key}`);
  }

  /**
   * A stop must have been ordered, or be another spec's or mode's making room; a `stop` instance may also end because the store has
   * not answered for long, or the machine goes down. So nothing stops because the store is away, or empty.
   */
  stopAsked(machine: SimMachine, key: InstanceKey): void {
    const item = machine.item(key);
    if (item === undefined || !machine.isRunning(key)) return;
    const since = item.startedAtMs - LAG_MS;
    const orders = this.#actable(machine, key);
    const recent = orders.filter((past, at) => past.atMs >= since || at === orders.length - 1);
    const { specHash, disconnect } = item.order;
    const isOrdered = (past: PastOrder) =>
      past.order === 'stop' || past.isLoad || past.specHash !== specHash || past.disconnect !== disconnect;
    if (recent.some(isOrdered)) return;
    if (disconnect === 'stop' && (machine.host.shutsDown || this.#isFenceTime(machine))) return;
    const what = `${displayName(key)} was stopped on ${machine.name} without an order`;
    if (this.#canDoubt(machine)) this.#violate(what);
    else this.unknowingActs.push(what);
  }

  /** The dead man's switch ends these: no sooner than the agent itself has to. */
  fenced(machine: SimMachine, what: 'term' | 'kill', keys: readonly InstanceKey[]): void {
    if (keys.length === 0) return;
    this.#world.note(machine.name, `FENCE: ${what} to ${keys.map(displayName).join(', ')}`);
    if (what === 'term' && !this.#isFenceTime(machine))
      this.#violate(`the switch of ${machine.name} fired before its time`);
  }

  /** A machine that was frozen as a whole goes on. What of its `stop` instances runs elsewhere by now, runs twice until it ends here. */
  thawed(machine: SimMachine): void {
    for (const item of machine.items) {
      if (item.order.disconnect === 'stop' && machine.isRunning(item.order.key) && this.#other(machine, item.order.key))
        this.#beginOverlap(machine, item);
    }
  }

  touched(machine: SimMachine, key: string): void {
    if (!key.startsWith(this.#layoutOf(machine).root))
      this.#violate(`${machine.name} touched "${key}", which isn't its cluster's`);
  }

  agentFailed(machine: SimMachine, error: unknown): void {
    const causes = error instanceof AggregateError ? error.errors.map(errorText).join('; ') : '';
    this.#violate(`the agent of ${machine.name} ended by itself: ${errorText(error)}: ${causes}`);
  }

  /** Throws if anything has been violated. */
  check(): void {
    if (this.violations.length > 0) throw new Error(`Promises were broken:\n${this.violations.join('\n')}`);
  }

  /** Nobody else runs it, whatever is dead, frozen, cut off or hung: but for a machine that has just gone on. */
  #assertAlone(machine: SimMachine, item: FakeItem): void {
    const { key } = item.order;
    const other = this.#other(machine, key);
    if (other === undefined) return;
    const { clock } = this.#world;
    const isThawing = clock.monotonicMs() === machine.movesSinceMs; // it was on its way when the machine stood still
    const { trustedAtMs, doubtAtMs } = this.history;
    const startedAtMs = other.item(key)?.startedAtMs ?? 0;
    const isOfOldStore = startedAtMs < trustedAtMs && trustedAtMs > 0;
    const what = `${displayName(key)} runs on ${other.name} and on ${machine.name} at once`;
    if (isThawing) this.#beginOverlap(machine, item);
    else if (isOfOldStore) this.restoreOverlaps.push(`${displayName(key)} on ${other.name} and ${machine.name}`);
    else if (startedAtMs < doubtAtMs && !this.#canDoubt(machine)) this.unknowingActs.push(what);
    else this.#violate(what);
  }

  /** Another machine on which it runs; what is on one that stands still doesn't. */
  #other(machine: SimMachine, key: InstanceKey): SimMachine | undefined {
    return this.#world.machinesOf(machine.config.cluster).find((other) => {
      return (
        other !== machine && other.isMoving && other.isRunning(key) && other.item(key)?.order.disconnect === 'stop'
      );
    });
  }

  #assertNewToken(machine: SimMachine, { order: { key, environment } }: FakeItem): void {
    const token = BigInt(environment['MUSTER_FENCING_TOKEN'] ?? '0');
    const id = `${machine.config.cluster}/${key}`;
    const highest = this.#tokens.get(id) ?? 0n;
    if (token > highest) this.#tokens.set(id, token);
    else if (!this.#isRestart(machine, key)) {
      const what = `${displayName(key)} began on ${machine.name} with token ${token}, after ${highest}`;
      if (this.#canDoubt(machine)) this.#violate(what);
      else this.unknowingActs.push(what);
    }
  }

  /** The same run goes on, as far as its token is concerned: the runtime itself started it again. */
  #isRestart(machine: SimMachine, key: InstanceKey): boolean {
    return (machine.item(key)?.run ?? 0) > 1;
  }

  #beginOverlap(machine: SimMachine, item: FakeItem): void {
    const { clock } = this.#world;
    this.#world.note(machine.name, `${displayName(item.order.key)} runs elsewhere too, since this machine goes on`);
    this.#overlaps.set(item, clock.monotonicMs());
    clock.after(THAW_LIMIT_MS, () => {
      if (this.#overlaps.has(item))
        this.#violate(
          `${displayName(item.order.key)} still runs on ${machine.name}, ${THAW_LIMIT_MS} ms after its thaw`,
        );
    });
  }

  #endOverlap(item: FakeItem): void {
    const sinceMs = this.#overlaps.get(item);
    if (sinceMs === undefined) return;
    this.#overlaps.delete(item);
    this.thawOverlapsMs.push(this.#world.clock.monotonicMs() - sinceMs);
  }

  #isFenceTime(machine: SimMachine): boolean {
    if (this.history.isInDoubt) return true; // what answers renews nothing
    const nowMs = this.#world.clock.monotonicMs();
    const { ttlMs } = machine.config;
    const isInDoubt = nowMs - machine.leaseSentAtMs >= FENCE_PART * ttlMs;
    // While presence is being taken, renewals of the lease that it's to be bound to prove nothing.
    const presence = this.#layoutOf(machine).presence(machine.node);
    const takenAtMs = Math.max(this.history.presenceChangedAtMs(presence), this.history.trustedAtMs);
    const isBeingTaken = nowMs - takenAtMs < ttlMs;
    return isInDoubt || isBeingTaken || nowMs - machine.leaseDoubtEndedAtMs < DOUBT_LAG_MS;
  }

  #layoutOf({ config }: SimMachine): Layout {
    return makeLayout(config.prefix, config.cluster);
  }

  /** The orders that this machine may act on now: in doubt only what last stood, and what was under way. */
  #actable(machine: SimMachine, key: InstanceKey): readonly PastOrder[] {
    const orders = this.history.of(this.#layoutOf(machine).assignment(machine.node, key));
    if (!this.history.isInDoubt) return orders;
    const since = this.#world.clock.monotonicMs() - BEGUN_MS;
    return orders.filter((past, at) => past.atMs >= since || at === orders.length - 1);
  }

  /** Whether this machine's agent can know that the store was set back: it has heard so, and has not ended since. */
  #canDoubt(machine: SimMachine): boolean {
    const { isInDoubt, doubtAtMs } = this.history;
    return !isInDoubt || machine.heardOlderAtMs >= doubtAtMs;
  }

  #violate(what: string): void {
    this.violations.push(what);
    this.#world.note('', `VIOLATION: ${what}`);
  }
}
