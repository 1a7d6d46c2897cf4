import { nodeSettingsCodec } from '../../src/cluster/codecs.ts';
import { SimCluster } from './cluster.ts';
import { type CrashPoint, crashSides } from './crash-plan.ts';
import type { SimMachine } from './sim-machine.ts';
import { SimWorld } from './sim-world.ts';

/** After each chapter everything must be as desired so soon, wherever an agent has ended meanwhile. */
const CONVERGE_MS = 60_000;
const AWAY_MS = 20_000;

/** What came of the story with one crash, or with none. */
export interface StoryResult {
  readonly world: SimWorld;
  readonly error: unknown;
}

/** The life of a cluster of three, from its first lease to its last removal; an agent may end at one point of it. */
export async function runStory(point?: CrashPoint): Promise<StoryResult> {
  const world = await SimWorld.open({ seed: 5, agentAway: '30s', observeDelayMs: 5 });
  const machine = world.machines.find(({ name }) => name === point?.machine);
  if (point !== undefined) machine?.crashPlan.arm(point);
  try {
    const story = new Story(world);
    for (const chapter of story.chapters) {
      world.note('STORY', chapter.name);
      await chapter.run();
      await story.cluster.converge(CONVERGE_MS);
    }
    await story.cluster.assertQuiet(30_000, ['list']);
    if (point !== undefined && machine?.crashPlan.isReached !== true) throw new Error('the point was never reached');
    return { world, error: undefined };
  } catch (error) {
    return { world, error };
  }
}

/** Every write of every agent in a story without a crash, from each of its sides. */
export async function listCrashPoints(): Promise<{ readonly points: CrashPoint[]; readonly writes: number }> {
  const { world, error } = await runStory();
  if (error !== undefined) throw new Error('The story fails without any crash', { cause: error });
  const writes = world.machines.flatMap(({ name, crashPlan }) =>
    crashPlan.writes.map((_what, index) => ({ machine: name, at: index + 1 })),
  );
  return { points: writes.flatMap((write) => crashSides.map((side) => ({ ...write, side }))), writes: writes.length };
}

interface Chapter {
  readonly name: string;
  readonly run: () => Promise<void>;
}

class Story {
  readonly cluster: SimCluster;
  readonly chapters: readonly Chapter[];
  readonly #world: SimWorld;

  constructor(world: SimWorld) {
    this.#world = world;
    this.cluster = new SimCluster(world, world.machines[0]!.config);
    const chapter = (name: string, run: () => Promise<void>): Chapter => ({ name, run });
    this.chapters = [
      chapter('three machines boot', () => this.#boot()),
      chapter('workloads of each kind are applied', () => this.#apply()),
      chapter('they are scaled', () => this.#scale()),
      chapter('they get another spec', () => this.#update()),
      chapter('a node is drained, and takes work again', () => this.#drain()),
      chapter('a node loses its power, and is back', () => this.#loseNode()),
      chapter('the leader is stopped, and is back', () => this.#changeLeader()),
      chapter('a machine goes down in order, and is back', () => this.#shutDown()),
      chapter('some are stopped', () => this.#stopSome()),
      chapter('they start again, others are removed', () => this.#removeSome()),
      chapter('all are removed', () => this.#removeAll()),
    ];
  }

  async #boot(): Promise<void> {
    for (const machine of this.#world.machines) {
      machine.setNetwork({ delayMs: 4 });
      machine.boot();
      await this.#world.advance(100);
    }
  }

  async #apply(): Promise<void> {
    await this.cluster.apply('web', { replicas: 3 });
    await this.cluster.apply('hello.service');
    await this.cluster.apply('worker@.service', { replicas: 2, conflicts: ['worker@*.service'] });
    await this.cluster.apply('ctl', { replicas: 3, mode: 'stop' });
    await this.cluster.apply('lone.service', { mode: 'stop' });
    await this.cluster.apply('everywhere', { replicas: 0 });
    await this.cluster.apply('store', { volume: 'data' });
  }

  async #scale(): Promise<void> {
    await this.cluster.apply('web', { replicas: 5 });
    await this.cluster.apply('ctl', { replicas: 1, mode: 'stop' });
  }

  async #update(): Promise<void> {
    await this.cluster.apply('web', { replicas: 2, version: 2 });
    await this.cluster.apply('ctl', { replicas: 2, mode: 'stop', version: 2 });
    await this.cluster.apply('hello.service', { version: 2 });
  }

  async #drain(): Promise<void> {
    const put = nodeSettingsCodec.encode({ cordoned: true, draining: true, labels: {} });
    const key = this.cluster.layout.nodeSettings(this.#machine(1).node);
    this.#world.store.commit({ compares: [], writes: [{ put: key, value: put }] });
    await this.#world.advance(AWAY_MS);
    this.#world.store.commit({ compares: [], writes: [{ delete: key }] });
  }

  async #loseNode(): Promise<void> {
    const victim = this.#machine(2);
    victim.powerOff();
    await this.#world.advance(2 * AWAY_MS);
    victim.boot();
  }

  async #changeLeader(): Promise<void> {
    const machine = this.cluster.leader ?? this.#machine(0);
    const stopped = machine.stopAgent();
    await this.#world.advance(AWAY_MS);
    await stopped;
    machine.startAgent();
  }

  async #shutDown(): Promise<void> {
    const machine = this.#machine(0);
    const down = machine.shutDown();
    await this.#world.until('it is off', () => !machine.isOn, 60_000);
    await down;
    await this.#world.advance(AWAY_MS);
    machine.boot();
  }

  async #stopSome(): Promise<void> {
    await this.cluster.setDesired('web', 'stop');
    await this.cluster.setDesired('lone.service', 'stop');
  }

  async #removeSome(): Promise<void> {
    await this.cluster.setDesired('web', 'run');
    await this.cluster.remove('everywhere');
    await this.cluster.remove('ctl');
  }

  async #removeAll(): Promise<void> {
    for (const name of ['web', 'hello.service', 'worker@.service', 'lone.service', 'store'])
      await this.cluster.remove(name);
  }

  #machine(at: number): SimMachine {
    return this.#world.machines[at]!;
  }
}
