import { inspect } from 'node:util';
import type { InstanceKey } from '../../src/domain/ids.ts';
import { runtimeOf } from '../../src/domain/runtime-of.ts';
import type { FakeBehaviour } from '../support/fake-machine.ts';
import type { StoreSnapshot } from '../support/memory-store.ts';
import { SimCluster } from './cluster.ts';
import { assertKept, Operator } from './operator.ts';
import { SeededRandom } from './seeded-random.ts';
import type { SimMachine } from './sim-machine.ts';
import { SimWorld } from './sim-world.ts';
import { stormFaults } from './storm-faults.ts';

export interface StormOptions {
  readonly seed: number;
  readonly steps: number;
}

export interface StormResult {
  readonly timeline: readonly string[];
  /** Undefined when every promise was kept. */
  readonly error: unknown;
  /** How long it took from the end of all faults until all was as desired. */
  readonly convergedMs: number;
  /** Each fault and how often it was done. */
  readonly faults: Readonly<Record<string, number>>;
  /** See Witness. */
  readonly thawOverlapsMs: readonly number[];
  readonly restoreOverlaps: readonly string[];
  readonly unknowingActs: readonly string[];
}

/** Everything must be as desired so soon after the last fault has ended. */
const CONVERGE_MS = 60_000;
/** A watch that was slow may find only then that its past is compacted. */
const RELISTING = ['list', 'watch'];
/** Starts that were refused, and instances killed by hand: few enough of each that no backoff outlasts {@link CONVERGE_MS}. */
const MISHAPS_EACH = 3;

/** One seeded storm: faults and changes at random, then none, then everything must come right and stay. */
export class Storm {
  readonly random: SeededRandom;
  readonly world: SimWorld;
  readonly cluster: SimCluster;
  readonly operator: Operator;
  readonly delayMs: number;
  /** Backups of the store. */
  readonly snapshots: StoreSnapshot[] = [];
  /** How often each fault was done. */
  readonly faults: Record<string, number> = {};
  /** Machine and instance → until when its starts are refused. */
  readonly refusals = new Map<string, number>();
  readonly #heals = new Set<() => void>();
  readonly #mishaps = new Map<string, number>();

  constructor(seed: number, world: SimWorld) {
    this.random = new SeededRandom(seed ^ 0x5bd1e995);
    this.world = world;
    this.cluster = new SimCluster(world, world.machines[0]!.config);
    this.operator = new Operator(this.cluster, this.random.fork());
    this.delayMs = this.random.pick([0, 1, 5, 30])!;
    world.behaviour = (machine, key) => this.#behaviour(machine, key);
  }

  note(what: string): void {
    this.world.note('STORM', what);
  }

  /** Ends the fault after a while, or with all others when the storm is over. */
  healIn(ms: number, what: string, heal: () => void): void {
    const end = () => {
      cancel();
      this.#heals.delete(end);
      this.note(what);
      heal();
    };
    const cancel = this.world.clock.after(ms, end);
    this.#heals.add(end);
  }

  /** One more thing that goes wrong with this instance there; false when it had its share. */
  mayMishap(machine: SimMachine, key: InstanceKey): boolean {
    const at = `${machine.name}/${key}`;
    const had = this.#mishaps.get(at) ?? 0;
    this.#mishaps.set(at, had + 1);
    return had < MISHAPS_EACH;
  }

  async run(steps: number): Promise<number> {
    for (const machine of this.world.machines) {
      machine.setNetwork({ delayMs: this.delayMs });
      machine.boot();
      await this.world.advance(this.random.int(0, 300));
    }
    for (let step = 0; step < steps; step += 1) {
      if (this.random.chance(0.35)) this.operator.act();
      else this.#disturb();
      await this.world.advance(this.random.chance(0.4) ? this.random.int(0, 200) : this.random.int(200, 6_000));
    }
    await this.#healAll();
    const tookMs = await this.cluster.converge(CONVERGE_MS);
    this.note(`all is as desired after ${tookMs} ms`);
    assertKept(this.operator);
    await this.cluster.assertQuiet(60_000, RELISTING);
    await this.#assertUndisturbed();
    return tookMs;
  }

  #disturb(): void {
    const fault = this.random.weighted(stormFaults);
    const done = fault(this);
    this.note(done ?? 'calm');
    if (done !== undefined) this.faults[fault.name] = (this.faults[fault.name] ?? 0) + 1;
  }

  /** Ends every fault at once. */
  async #healAll(): Promise<void> {
    this.note('the storm is over');
    for (const heal of [...this.#heals]) heal();
    await this.world.until('machines to be off', () => this.world.machines.every((m) => !m.isStopping || m.isFrozen));
    for (const heal of [...this.#heals]) heal();
    this.refusals.clear();
    this.world.store.start();
    this.world.store.setFull(false);
    this.world.store.applyHeld();
    for (const machine of this.world.machines) {
      machine.thaw();
      machine.thawAgent();
      machine.setNetwork({ unreachable: 'no', delayMs: this.delayMs, loseReplies: 0, lateByMs: 0 });
      machine.boot();
      machine.startAgent();
    }
    // A restored store may drain nodes that took work again long ago.
    for (const { node } of this.world.machines)
      this.world.store.commit({ compares: [], writes: [{ delete: this.cluster.layout.nodeSettings(node) }] });
    await this.world.until('the operator', () => !this.operator.isBusy);
  }

  /** Agents that go and come back in time disturb nothing, whichever and however many. */
  async #assertUndisturbed(): Promise<void> {
    const { world, cluster, random } = this;
    const before = inspect(cluster.runs);
    const chosen = cluster.machines.filter(() => random.chance(0.6));
    const { ttlMs, agentAwayMs } = cluster.config;
    for (const machine of chosen) {
      const isKill = random.chance(0.5);
      this.note(`${machine.name}: its agent is ${isKill ? 'killed' : 'stopped'} for a moment`);
      // With a short TTL the fence comes before an agent can know that its goodbye was heard.
      if (ttlMs >= 10_000 && random.chance(0.3)) machine.setNetwork({ loseReplies: 1 });
      if (isKill) machine.killAgent();
      else void machine.stopAgent();
      // A killed agent left a lease that had been renewed up to a quarter of the TTL before; the switch fires at 0.7 of it.
      const awayMs = isKill
        ? random.int(0, 0.4 * ttlMs - this.delayMs * 10)
        : random.int(5_000, agentAwayMs - 0.3 * ttlMs - 1_000);
      world.clock.after(awayMs, () => machine.startAgent());
      await world.advance(random.int(0, 2_000));
    }
    await world.advance(agentAwayMs);
    await cluster.converge(CONVERGE_MS);
    const after = inspect(cluster.runs);
    if (after !== before) throw new Error(`Agents that went for a moment disturbed what ran:\n${before}\n${after}`);
    await cluster.assertQuiet(20_000, RELISTING);
  }

  #behaviour(machine: SimMachine, key: InstanceKey): FakeBehaviour {
    const untilMs = this.refusals.get(`${machine.name}/${key}`) ?? 0;
    const stopMs = key.startsWith('lone') ? 1_500 : 200;
    const fetch = runtimeOf(key) === 'docker' ? { pullMs: 400 } : {};
    if (this.world.clock.monotonicMs() < untilMs) return { stopMs, refusal: 'no such device', ...fetch };
    return { stopMs, ...fetch };
  }
}

/** Runs one storm; what it broke is in the result. The same options give the same timeline. */
export async function runStorm({ seed, steps }: StormOptions): Promise<StormResult> {
  const random = new SeededRandom(seed);
  const world = await SimWorld.open({
    seed,
    ttl: random.pick(['4s', '10s'])!,
    agentAway: '30s',
    observeDelayMs: random.pick([0, 5, 50])!,
    clusters: { demo: random.pick([3, 3, 3, 4, 5])! },
  });
  const storm = new Storm(seed, world);
  const { faults } = storm;
  const { thawOverlapsMs, restoreOverlaps, unknowingActs } = world.witness;
  const seen = { timeline: world.timeline, faults, thawOverlapsMs, restoreOverlaps, unknowingActs };
  try {
    return { ...seen, convergedMs: await storm.run(steps), error: undefined };
  } catch (error) {
    return { ...seen, convergedMs: 0, error };
  }
}
