import { specCodec, workloadCodec } from '../../src/cluster/codecs.ts';
import type { Launch } from '../../src/cluster/desired-change.ts';
import { errorText } from '../../src/domain/errors.ts';
import { isUnitName, type WorkloadName } from '../../src/domain/ids.ts';
import type { SimCluster } from './cluster.ts';
import { type DocumentOptions, makeDocument } from './documents.ts';
import type { SeededRandom } from './seeded-random.ts';

/** What an operator was told is so of one workload. */
type Told = 'gone' | { readonly options: DocumentOptions; readonly desired: Launch };

const launches: readonly Launch[] = ['run', 'stop', 'load'];

/** The workloads that there may be, one of each kind. Replicas are drawn up to the limit; 0: global. */
const kinds: Readonly<Record<string, { readonly most: number; readonly options: DocumentOptions }>> = {
  web: { most: 4, options: {} },
  ctl: { most: 3, options: { mode: 'stop' } },
  front: { most: 2, options: { hostPort: 8080 } },
  db: { most: 1, options: { volume: 'data' } },
  agentd: { most: 0, options: {} },
  'hello.service': { most: 1, options: {} },
  'lone.service': { most: 1, options: { mode: 'stop' } },
  'worker@.service': { most: 3, options: { conflicts: ['worker@*.service'] } },
  'single@.service': { most: 2, options: { mode: 'stop', conflicts: ['lone.service'] } },
  'everywhere.service': { most: 0, options: { mode: 'stop' } },
};

/** Somebody who changes what is desired, at random, and remembers what was acknowledged. */
export class Operator {
  readonly told = new Map<string, Told>();
  readonly cluster: SimCluster;
  readonly #random: SeededRandom;
  readonly #busy = new Set<string>();
  #version = 1;
  #forgotten = 0;

  constructor(cluster: SimCluster, random: SeededRandom) {
    this.cluster = cluster;
    this.#random = random;
  }

  get isBusy(): boolean {
    return this.#busy.size > 0;
  }

  /** The store has been set back: nothing that was acknowledged need be so, and what runs may be nobody's. */
  forgetAll(): void {
    this.told.clear();
    for (const name of Object.keys(kinds)) this.cluster.disowned.add(name as WorkloadName);
    this.#forgotten += 1;
  }

  /** Begins one change; its answer comes when it comes. */
  act(): void {
    const random = this.#random;
    const name = random.pick(Object.keys(kinds))!;
    if (this.#busy.has(name)) return;
    const told = this.told.get(name);
    if (told === undefined || told === 'gone' || random.chance(0.5)) this.#apply(name, told);
    else if (random.chance(0.3)) this.#begin(name, 'remove', this.cluster.remove(name), 'gone');
    else if (told.desired === 'run' && random.chance(0.4))
      this.#begin(name, 'restart', this.cluster.restart(name), told);
    else {
      const others = launches.filter((each) => each !== told.desired && (each !== 'load' || isUnitName(name)));
      const desired = random.pick(others)!;
      this.#begin(name, desired, this.cluster.setDesired(name, desired), { ...told, desired });
    }
  }

  #apply(name: string, told: Told | undefined): void {
    const { most, options } = kinds[name]!;
    const isSame = told !== undefined && told !== 'gone' && this.#random.chance(0.4);
    const version = isSame ? (told.options.version ?? 1) : ++this.#version;
    const replicas = most === 0 ? 0 : this.#random.int(1, most);
    const applied = { ...options, version, replicas };
    const what = `apply version ${version} with ${replicas} replicas`;
    this.#begin(name, what, this.cluster.apply(name, applied), { options: applied, desired: 'run' });
  }

  #begin(name: string, what: string, work: Promise<void>, outcome: Told): void {
    const { world } = this.cluster;
    world.note('OPER', `${name}: ${what}`);
    this.#busy.add(name);
    this.told.delete(name); // until it's answered, either may be so
    const forgotten = this.#forgotten;
    work
      .then(
        () => {
          if (forgotten === this.#forgotten) this.told.set(name, outcome);
          world.note('OPER', `${name}: done`);
        },
        (error: unknown) => world.note('OPER', `${name}: ${errorText(error)}`),
      )
      .finally(() => this.#busy.delete(name));
  }
}

/** Every change that was acknowledged, and that none followed, is in the store. */
export function assertKept({ told, cluster }: Operator): void {
  const { layout, world } = cluster;
  for (const [name, outcome] of told) {
    const stored = world.store.get(layout.workload(name as WorkloadName));
    if (outcome === 'gone') {
      if (stored !== undefined) throw new Error(`${name} was removed and is still there`);
      continue;
    }
    if (stored === undefined) throw new Error(`${name} was applied and is gone`);
    const workload = workloadCodec.decode(stored.value, stored.key);
    const document = makeDocument(name, outcome.options);
    const spec = world.store.get(layout.spec(name as WorkloadName, workload.spec))!;
    const { run } = specCodec.decode(spec.value, spec.key);
    const desired: Launch = workload.launch === false ? 'load' : workload.desired;
    const is = JSON.stringify([run, workload.scale, desired]);
    const wanted = JSON.stringify([document.run, document.scale, outcome.desired]);
    if (JSON.stringify(JSON.parse(is)) !== wanted)
      throw new Error(`${name} was acknowledged as ${wanted} and is ${is}`);
  }
}
