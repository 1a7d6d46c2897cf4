import { plan } from '../../src/api/plan.ts';
import type { RouteRequest } from '../../src/api/route.ts';
import { applyWorkload } from '../../src/cluster/desired.ts';
import { type Launch, markRemoving, restartWorkload, setDesired } from '../../src/cluster/desired-change.ts';
import type { StoreView } from '../../src/cluster/desired-read.ts';
import type { Layout } from '../../src/cluster/layout.ts';
import type { Config } from '../../src/config/read-config.ts';
import type { InstanceKey, Slot, WorkloadName } from '../../src/domain/ids.ts';
import { displayName } from '../../src/domain/names.ts';
import type { PlanAnswer, PlanRequest } from '../../src/wire/plan-answers.ts';
import { findProblems } from './convergence.ts';
import { type DocumentOptions, makeDocument } from './documents.ts';
import type { SimMachine } from './sim-machine.ts';
import type { SimWorld } from './sim-world.ts';

/** As desired means: for so long. A report whose answer was lost is sent again, and what has just gone may still be reported. */
const SETTLED_MS = 5_000;

/** What agents wait for is looked at so often, so far apart: more than an agent renews. */
const PENDING_SAMPLES = 10;
const PENDING_SAMPLE_MS = 370;

/** One run of one instance: another container, or the same started again, is another run. */
export type Runs = Readonly<Record<string, string>>;

/** One simulated cluster as an operator and a spectator see it. */
export class SimCluster {
  readonly world: SimWorld;
  readonly config: Config;
  readonly layout: Layout;
  readonly machines: readonly SimMachine[];
  /** Workloads of which orders were deleted by hand: once removed, what ran on a node that was away stays, as an orphan. */
  readonly disowned = new Set<WorkloadName>();
  readonly #view: StoreView;
  /** Its own: what still waits when the simulation is over goes with it. */
  readonly #never = new AbortController().signal;

  constructor(world: SimWorld, config: Config) {
    this.world = world;
    this.config = config;
    this.layout = world.layoutOf(config);
    this.machines = world.machinesOf(config.cluster);
    this.#view = world.storeView(config);
  }

  async apply(name: string, options: DocumentOptions = {}): Promise<void> {
    const resolveImage = async (image: string) => `${image}@sha256:${'0'.repeat(64)}`;
    await this.#settled(applyWorkload(this.#view, makeDocument(name, options), { resolveImage }, this.#never));
  }

  async setDesired(name: string, desired: Launch): Promise<void> {
    await this.#settled(setDesired(this.#view, name as WorkloadName, { desired }, this.#never));
  }

  async remove(name: string): Promise<void> {
    await this.#settled(markRemoving(this.#view, name as WorkloadName, {}, this.#never));
  }

  /** All instances, or the one in this slot. */
  async restart(name: string, slot?: string): Promise<void> {
    const order = { slot: slot as Slot | undefined };
    await this.#settled(restartWorkload(this.#view, name as WorkloadName, order, this.#never));
  }

  /** What the API would foretell. */
  async plan(request: PlanRequest): Promise<PlanAnswer> {
    const deps = { store: this.#view, clock: this.world.clock };
    const asked = { deps, requestId: 'sim', signal: this.#never, body: async () => request };
    let answer: PlanAnswer | undefined;
    await this.#settled(plan(asked as unknown as RouteRequest).then((got) => (answer = got)));
    return answer!;
  }

  /** What isn't as desired yet. */
  get problems(): readonly string[] {
    return findProblems(this.world, this.config, this.disowned);
  }

  get leader(): SimMachine | undefined {
    return this.machines.find((machine) => machine.isLeader);
  }

  /** The machines that run it. */
  whereIs(key: string): readonly SimMachine[] {
    return this.machines.filter((machine) => machine.isRunning(key as InstanceKey));
  }

  isPresent(machine: SimMachine): boolean {
    return this.world.store.get(this.layout.presence(machine.node)) !== undefined;
  }

  /** Every run of every instance, by instance and machine. */
  get runs(): Runs {
    const runs: [string, string][] = this.machines.flatMap((machine) =>
      machine.items
        .filter(({ order }) => machine.isRunning(order.key))
        .map(
          ({ order, id, run }) => [`${displayName(order.key)} on ${machine.name}`, `${id} #${run}`] as [string, string],
        ),
    );
    return Object.fromEntries(runs.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Until everything is as desired and stays so for a moment; throws with what isn't. Returns how long it took. */
  async converge(limitMs = 60_000): Promise<number> {
    const { world } = this;
    const beganMs = world.clock.monotonicMs();
    let soSinceMs: number | undefined;
    let seen = '';
    let problems: readonly string[] = [];
    const isSo = () => {
      const now = this.#traces;
      if (now !== seen) problems = this.problems; // to look at everything is dear
      seen = now;
      soSinceMs = problems.length === 0 ? (soSinceMs ?? world.clock.monotonicMs()) : undefined;
      return soSinceMs !== undefined && world.clock.monotonicMs() - soSinceMs >= SETTLED_MS;
    };
    try {
      await world.until('convergence', isSo, limitMs + SETTLED_MS, 100);
    } catch (error) {
      if (world.witness.violations.length > 0) throw error;
      throw new Error(`Not converged after ${limitMs} ms:\n${this.problems.join('\n')}`, { cause: error });
    }
    return (soSinceMs ?? 0) - beganMs;
  }

  /** Nobody writes and nobody asks for 60 s, but for renewals, a leader that asks after leases, and what else is allowed; and everything stays as it is. */
  async assertQuiet(ms = 60_000, besides: readonly string[] = []): Promise<void> {
    const { store } = this.world;
    const allowed = ['renewLease', 'leaseTimeToLive', ...besides];
    const calls = () => this.machines.map(({ storeCalls }) => without(storeCalls, allowed));
    const before = { calls: calls(), runs: this.runs, revision: store.revision };
    const beforeText = JSON.stringify(before);
    const pending = await this.#leastPending();
    await this.world.advance(ms);
    const after = { calls: calls(), runs: this.runs, revision: store.revision };
    if (JSON.stringify(after) !== beforeText) {
      const { events } = store.eventsFrom({ prefix: '/' }, before.revision + 1);
      const keys = events.map(({ type, kv }) => `${type} ${kv.key} ${kv.value}`).join('\n');
      throw new Error(`Not quiet: ${beforeText} became ${JSON.stringify(after)}\n${keys}`);
    }
    if (this.problems.length > 0) throw new Error(`Converged, and then not any more:\n${this.problems.join('\n')}`);
    const pendingAfter = await this.#leastPending();
    if (pendingAfter > pending) throw new Error(`Waits pile up: ${pending} became ${pendingAfter}`);
  }

  /** What agents wait for, but for what they wait for in passing, as the answer to a renewal. */
  async #leastPending(): Promise<number> {
    let least = this.pending;
    for (let sample = 1; sample < PENDING_SAMPLES; sample += 1) {
      await this.world.advance(PENDING_SAMPLE_MS);
      least = Math.min(least, this.pending);
    }
    return least;
  }

  /** Differs after each change that may matter: whatever happens leaves a trace in the store or on the timeline. */
  get #traces(): string {
    const { store, timeline } = this.world;
    const agents = this.machines.map(({ isJoined, isLeader, items }) => [
      isJoined,
      isLeader,
      items.map((i) => i.phase),
    ]);
    return JSON.stringify([store.revision, timeline.length, agents]);
  }

  /** Timers and calls of all agents. */
  get pending(): number {
    return this.machines.reduce((sum, machine) => sum + machine.pending, 0);
  }

  async #settled(work: Promise<unknown>): Promise<void> {
    let end: { readonly error?: unknown } | undefined;
    work.then(
      () => (end = {}),
      (error: unknown) => (end = { error }),
    );
    await this.world.until('an answer to the operator', () => end !== undefined, 120_000, 10);
    if (end !== undefined && 'error' in end) throw end.error;
  }
}

function without(calls: ReadonlyMap<string, number>, methods: readonly string[]): [string, number][] {
  return [...calls].filter(([name]) => !methods.includes(name)).sort(([one], [other]) => (one < other ? -1 : 1));
}
