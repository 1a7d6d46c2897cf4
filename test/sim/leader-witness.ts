import { holdCodec, instanceCodec, nodeSettingsCodec, presenceCodec, workloadCodec } from '../../src/cluster/codecs.ts';
import { type Layout, makeLayout } from '../../src/cluster/layout.ts';
import { type InstanceKey, isTemplateName, type NodeId, splitInstanceKey } from '../../src/domain/ids.ts';
import { displayName } from '../../src/domain/names.ts';
import type { NodeSettings } from '../../src/domain/node.ts';
import type { Workload } from '../../src/domain/spec.ts';
import type { NewOrder, OrderHistory } from './order-history.ts';
import type { SimMachine } from './sim-machine.ts';
import type { SimWorld } from './sim-world.ts';

/** So long the leader may take an instance for running that has ended with its machine: the lease has to run out first. */
const UNAWARE_TTLS = 1.5;

/** An agent that has just started, or found the store restored, has said so soon what runs; until then its last word counts. */
const REPORT_MS = 2_000;

/** Holds what leaders order against what they may: no replacement in mass loss, no stop of a copy before its survivor runs. */
export class LeaderWitness {
  readonly #world: SimWorld;
  readonly #history: OrderHistory;
  readonly #violate: (what: string) => void;
  /** When each instance last ended on a machine. */
  readonly #endedAtMs = new Map<string, number>();

  constructor(world: SimWorld, history: OrderHistory, violate: (what: string) => void) {
    this.#world = world;
    this.#history = history;
    this.#violate = violate;
    history.onOrder = (order) => this.#ordered(order);
  }

  ended(machine: SimMachine, key: InstanceKey): void {
    this.#endedAtMs.set(`${machine.name}/${key}`, this.#world.clock.monotonicMs());
  }

  #ordered(order: NewOrder): void {
    const [, prefix, cluster, , node] = order.key.split('/');
    const machines = this.#world.machines.filter(({ config }) => config.cluster === cluster);
    const [first] = machines;
    if (first === undefined || node === undefined) return;
    const layout = makeLayout(`/${prefix}`, first.config.cluster);
    const { assignment, instance } = order;
    if (assignment.order === 'run' && order.isFirst) this.#assertNotHeld(layout, instance, node as NodeId);
    const isNewStop = assignment.order === 'stop' && (order.isFirst || order.before?.order === 'run');
    if (!isNewStop || assignment.superseded !== true || assignment.disconnect !== 'keep') return;
    if (!this.#isForced(layout, node as NodeId)) this.#assertSurvivor(layout, order, machines);
  }

  /** While nodes are held, nothing that is on them is started elsewhere. */
  #assertNotHeld(layout: Layout, instance: InstanceKey, node: NodeId): void {
    const { store, clock } = this.#world;
    const stored = store.get(layout.hold('mass-loss'));
    if (stored === undefined) return;
    const hold = holdCodec.decode(stored.value, stored.key);
    if (hold.ended !== undefined || Date.parse(hold.until) <= clock.wallTime().getTime()) return;
    for (const held of hold.nodes) {
      const isGone = store.get(layout.presence(held)) === undefined;
      const order = this.#history
        .of(layout.assignment(held, instance))
        .findLast(({ atMs }) => atMs < clock.monotonicMs());
      const isThere = store.get(layout.assignment(held, instance)) !== undefined;
      // A copy that had been replaced before the hold is none that counts.
      const isLost = isGone && isThere && order?.isSuperseded === false;
      if (held !== node && isLost && !this.#isDrained(layout, instance, held))
        this.#violate(`${displayName(instance)} was replaced while the loss of ${held.slice(0, 8)} is held`);
    }
  }

  /** It was moved since an operator drains that node, and not for its loss: that had not been seen yet, or the record would say so. */
  #isDrained(layout: Layout, instance: InstanceKey, node: NodeId): boolean {
    const stored = this.#world.store.get(layout.instance(instance));
    if (stored === undefined || this.#settings(layout, node)?.draining !== true) return false;
    const { copies } = instanceCodec.decode(stored.value, stored.key);
    return copies.some((copy) => copy.node === node && copy.role === 'superseded' && copy.lost !== true);
  }

  /** An operator drains the node, wanted the deadline to end what is left, and it's over. */
  #isForced(layout: Layout, node: NodeId): boolean {
    const { draining = false, drain } = this.#settings(layout, node) ?? {};
    const { force = false, deadline } = drain ?? {};
    return (
      draining && force && deadline !== undefined && Date.parse(deadline) <= this.#world.clock.wallTime().getTime()
    );
  }

  #settings(layout: Layout, node: NodeId): NodeSettings | undefined {
    const stored = this.#world.store.get(layout.nodeSettings(node));
    return stored && nodeSettingsCodec.decode(stored.value, stored.key);
  }

  /** The older copy of an instance is stopped only once the other one runs, where it is to run at all. */
  #assertSurvivor(layout: Layout, { key, instance }: NewOrder, machines: readonly SimMachine[]): void {
    if (!this.#isWanted(layout, instance)) return;
    const nowMs = this.#world.clock.monotonicMs();
    const survivor = machines.find((machine) => {
      if (key === layout.assignment(machine.node, instance)) return false;
      const endedAtMs = this.#endedAtMs.get(`${machine.name}/${instance}`) ?? Number.NEGATIVE_INFINITY;
      const sinceMs = Math.max(machine.agentSinceMs, this.#history.trustedAtMs);
      const isUnaware =
        nowMs - endedAtMs < UNAWARE_TTLS * machine.config.ttlMs ||
        nowMs - sinceMs < REPORT_MS ||
        this.#seemsUp(layout, machine);
      return machine.isRunning(instance) || isUnaware;
    });
    if (survivor === undefined)
      this.#violate(`${displayName(instance)} was ordered to stop with no other copy running`);
  }

  /** The store still shows the presence of a boot that has ended: a store that was away gives leases their full time again. */
  #seemsUp(layout: Layout, machine: SimMachine): boolean {
    const stored = this.#world.store.get(layout.presence(machine.node));
    if (stored === undefined) return false;
    return !machine.isOn || presenceCodec.decode(stored.value, stored.key).bootId !== machine.host.current.bootId;
  }

  /** It's to run in one copy of several that there may be: what is only to be loaded runs nowhere. */
  #isWanted(layout: Layout, instance: InstanceKey): boolean {
    const { workload: name, slot } = splitInstanceKey(instance);
    const stored = this.#world.store.get(layout.workload(name));
    if (stored === undefined) return false;
    const workload: Workload = workloadCodec.decode(stored.value, stored.key);
    if (workload.scale.kind === 'global') return false; // it has no other copy
    const isSlot = Number(slot) < workload.scale.replicas + (isTemplateName(name) ? 1 : 0);
    return workload.desired === 'run' && workload.launch !== false && workload.removing !== true && isSlot;
  }
}
