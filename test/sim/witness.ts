import { type Layout, makeLayout } from '../../src/cluster/layout.ts';
import { errorText } from '../../src/domain/errors.ts';
import type { InstanceKey } from '../../src/domain/ids.ts';
import { displayName } from '../../src/domain/names.ts';
import { runtimeOf } from '../../src/domain/runtime-of.ts';
import type { FakeItem } from '../support/fake-machine.ts';
import type { OrderHistory, PastOrder } from './order-history.ts';
import { FENCE_PART, type SimMachine } from './sim-machine.ts';
import type { SimWorld } from './sim-world.ts';

/** How long after it came back into contact an agent may take to end what it must not run. */
const REACTION_MS = 10_000;
/** An order that came so long before a start may be the one that the node still acts on. */
const LAG_MS = 60_000;
/** What was decided in doubt may still be done so long after an answer came. */
const DOUBT_LAG_MS = 3_000;

/** Sees everything that happens on all machines, and holds it against the promises at every moment. */
export class Witness {
  readonly violations: string[] = [];
  readonly #world: SimWorld;
  readonly #history: OrderHistory;

  constructor(world: SimWorld, history: OrderHistory) {
    this.#world = world;
    this.#history = history;
  }

  began(machine: SimMachine, item: FakeItem): void {
    if (item.cluster === undefined) return;
    const { key, disconnect, specHash } = item.order;
    this.#world.note(machine.name, `${displayName(key)} runs`);
    if (!this.#ordersOf(machine, key).some((past) => past.order === 'run' && past.specHash === specHash)) {
      this.#violate(`${displayName(key)} was started on ${machine.name} without an order`);
    }
    if (disconnect === 'stop') this.#assertAlone(machine, key);
  }

  ended(machine: SimMachine, item: FakeItem): void {
    if (item.cluster !== undefined)
      this.#world.note(machine.name, `${displayName(item.order.key)} ended: ${item.phase}`);
    else if (machine.isOn) this.#violate(`what the host ${machine.name} has itself was stopped: ${item.order.key}`);
  }

  /**
   * A stop must have been ordered, or be another spec's making room; a `stop` instance may also end because the store has not
   * answered for long, or the machine goes down. So nothing stops because the store is away, or empty.
   */
  stopAsked(machine: SimMachine, key: InstanceKey): void {
    const item = machine.item(key);
    if (item === undefined || !machine.isRunning(key)) return;
    const since = item.startedAtMs - LAG_MS;
    const orders = this.#ordersOf(machine, key);
    const recent = orders.filter((past, at) => past.atMs >= since || at === orders.length - 1);
    if (recent.some((past) => past.order === 'stop' || past.specHash !== item.order.specHash)) return;
    if (item.order.disconnect === 'stop' && (machine.host.shutsDown || this.#isFenceTime(machine))) return;
    this.#violate(`${displayName(key)} was stopped on ${machine.name} without an order`);
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

  #assertAlone(machine: SimMachine, key: InstanceKey): void {
    for (const other of this.#world.machinesOf(machine.config.cluster)) {
      if (other === machine || !other.isRunning(key)) continue;
      if (other.item(key)?.order.disconnect !== 'stop') continue;
      if (this.#isExempt(other, key) || this.#wasFrozen(machine)) {
        this.#world.note(machine.name, `${displayName(key)} runs on ${other.name} too, whose agent couldn't know`);
      } else this.#violate(`${displayName(key)} runs on ${other.name} and on ${machine.name} at once`);
    }
  }

  /**
   * At this stage the agent's own process is the fence: what ends a `stop` instance in time while that process is dead, frozen,
   * not a member yet, or can't reach its daemon, is the dead-man's switch, which isn't built yet. Once it is, nothing is exempt
   * but a machine that was frozen as a whole.
   */
  #isExempt(machine: SimMachine, key: InstanceKey): boolean {
    const { memberSinceMs } = machine;
    const nowMs = this.#world.clock.monotonicMs();
    if (memberSinceMs === undefined || nowMs - memberSinceMs < REACTION_MS) return true;
    const daemon = runtimeOf(key) === 'docker' ? machine.docker : machine.systemd;
    return daemon.isAway || daemon.hung.has(key) || nowMs - daemon.disturbedAtMs < REACTION_MS;
  }

  /** A start that was begun in time and goes on after a thaw: the fencing token is for it, a later issue's too. */
  #wasFrozen(machine: SimMachine): boolean {
    return machine.isFrozen || this.#world.clock.monotonicMs() - machine.thawedAtMs < REACTION_MS;
  }

  #isFenceTime(machine: SimMachine): boolean {
    const nowMs = this.#world.clock.monotonicMs();
    const { ttlMs } = machine.config;
    const isInDoubt = nowMs - machine.leaseSentAtMs >= FENCE_PART * ttlMs;
    // While presence is being taken, renewals of the lease that it's to be bound to prove nothing.
    const presence = this.#layoutOf(machine).presence(machine.node);
    const isBeingTaken = nowMs - this.#history.presenceChangedAtMs(presence) < ttlMs;
    return isInDoubt || isBeingTaken || nowMs - machine.leaseDoubtEndedAtMs < DOUBT_LAG_MS;
  }

  #layoutOf({ config }: SimMachine): Layout {
    return makeLayout(config.prefix, config.cluster);
  }

  #ordersOf(machine: SimMachine, key: InstanceKey): readonly PastOrder[] {
    return this.#history.of(this.#layoutOf(machine).assignment(machine.node, key));
  }

  #violate(what: string): void {
    this.violations.push(what);
    this.#world.note('', `VIOLATION: ${what}`);
  }
}
