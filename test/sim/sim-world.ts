import type { StoreView } from '../../src/cluster/desired-read.ts';
import { type Layout, makeLayout } from '../../src/cluster/layout.ts';
import { type Config, readConfig } from '../../src/config/read-config.ts';
import type { ClusterId, InstanceKey } from '../../src/domain/ids.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { FakeBehaviour } from '../support/fake-machine.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { OrderHistory } from './order-history.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimMachine } from './sim-machine.ts';
import { Witness } from './witness.ts';

/** What a simulated world is made of. */
export interface WorldOptions {
  readonly seed?: number;
  readonly ttl?: string;
  readonly agentAway?: string;
  /** Names of clusters, and how many machines each has. */
  readonly clusters?: Readonly<Record<string, number>>;
  /** The longest that a daemon's list may take to travel. */
  readonly observeDelayMs?: number;
}

/** One cluster's settings, as the product reads them. */
export function readSimConfig(cluster: string, options: Pick<WorldOptions, 'ttl' | 'agentAway'> = {}): Promise<Config> {
  const { ttl = '10s', agentAway = '60s' } = options;
  const calm = { 'calm-first': '2s', 'calm-most': '10s' };
  const flags = { cluster, 'lease-ttl': ttl, 'agent-away': agentAway, 'etcd-attempt': '2s', ...calm };
  return readConfig({ path: '/nonexistent/muster.yaml', isPathExplicit: false, environment: {}, flags });
}

/** One store, one clock, and machines that meet only in the store. */
export class SimWorld {
  readonly clock = new FakeClock({ monotonicMs: 0 });
  readonly store = new MemoryStore(this.clock);
  readonly random: SeededRandom;
  readonly witness: Witness;
  readonly machines: SimMachine[] = [];
  /** What happened, a line each. */
  readonly timeline: string[] = [];
  /** How instances behave on a machine, where it isn't unremarkable. */
  behaviour: (machine: SimMachine, key: InstanceKey) => FakeBehaviour = () => ({});
  readonly #observeDelayMs: number;

  constructor(options: WorldOptions = {}) {
    this.random = new SeededRandom(options.seed ?? 1);
    this.#observeDelayMs = options.observeDelayMs ?? 0;
    this.witness = new Witness(this, new OrderHistory(this.store, this.clock));
  }

  /** A world with its machines, still without power. */
  static async open(options: WorldOptions = {}): Promise<SimWorld> {
    const world = new SimWorld(options);
    for (const [cluster, count] of Object.entries(options.clusters ?? { demo: 3 })) {
      const config = await readSimConfig(cluster, options);
      for (let at = 0; at < count; at += 1) world.addMachine(config);
    }
    return world;
  }

  addMachine(config: Config): SimMachine {
    const at = this.machines.length + 1;
    const machine = new SimMachine(this, { name: `node${at}`, id: at.toString(16), config });
    this.machines.push(machine);
    return machine;
  }

  machinesOf(cluster: ClusterId): readonly SimMachine[] {
    return this.machines.filter((machine) => machine.config.cluster === cluster);
  }

  layoutOf(config: Config): Layout {
    return makeLayout(config.prefix, config.cluster);
  }

  /** The store as an operator's API sees it. */
  storeView(config: Config): StoreView {
    return { kv: this.store.client('operator'), layout: this.layoutOf(config), clock: this.clock };
  }

  observeDelayMs(random: SeededRandom): number {
    return this.#observeDelayMs === 0 ? 0 : random.int(0, this.#observeDelayMs);
  }

  note(who: string, what: string): void {
    const at = (this.clock.monotonicMs() / 1_000).toFixed(3).padStart(8);
    this.timeline.push(`${at} ${who.padEnd(6)} ${what}`);
  }

  noteLog(machine: SimMachine, level: string, fields: object, message: string): void {
    const shown = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${value instanceof Error ? value.message : JSON.stringify(value)}`);
    this.note(machine.name, `  ${level === 'info' ? '' : `${level}: `}${message} ${shown.join(' ')}`.trimEnd());
  }

  /** Lets time pass; throws as soon as a promise has been broken. */
  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
    this.witness.check();
  }

  /** Lets time pass until it's so, and returns how long that took; throws after `limitMs`. */
  async until(what: string, isSo: () => boolean, limitMs = 60_000, stepMs = 50): Promise<number> {
    const beganMs = this.clock.monotonicMs();
    await this.advance(0);
    while (!isSo()) {
      if (this.clock.monotonicMs() - beganMs >= limitMs)
        throw new Error(`Waited ${limitMs} ms of fake time for: ${what}`);
      await this.advance(stepMs);
    }
    return this.clock.monotonicMs() - beganMs;
  }
}
