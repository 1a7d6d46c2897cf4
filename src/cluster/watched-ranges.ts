import type { WorkloadName } from '../domain/ids.ts';
import type { Range } from '../etcd/port.ts';
import { copiesOf } from './desired-read.ts';
import type { DesiredState } from './desired-state.ts';
import type { Layout } from './layout.ts';

/** Each watch is a stream of its own. Beyond so many names, copies' nodes or nodes a whole range costs less than its parts. */
const SINGLY = 8;

/** What is to be watched of workloads so that nothing about them is missed, and no more: the cluster may be large, and busy. */
export class WatchedRanges {
  readonly #layout: Layout;
  readonly #about: { readonly state: DesiredState; readonly names: ReadonlySet<WorkloadName> };
  readonly #watched = new Set<string>();

  constructor(layout: Layout, about: { readonly state: DesiredState; readonly names: ReadonlySet<WorkloadName> }) {
    this.#layout = layout;
    this.#about = about;
  }

  /** What concerns them by now and was not named before. What does no longer is still watched: it's little. */
  missing(): Range[] {
    return [...this.#desired(), ...this.#copies(), ...this.#nodes()];
  }

  #desired(): Range[] {
    const { workloads, instances, workload } = this.#layout;
    const { names } = this.#about;
    if (names.size > SINGLY) return [...this.#whole(workloads), ...this.#whole(instances)];
    return [...names].flatMap((name) => [
      ...this.#unless(workload(name), { key: workload(name) }),
      ...this.#whole(`${instances}${name}/`),
    ]);
  }

  /** Orders and statuses lie by node, then by workload. */
  #copies(): Range[] {
    const { assignments, statuses } = this.#layout;
    const { state, names } = this.#about;
    const places = new Set<string>();
    for (const name of names) for (const { node } of copiesOf(state, name)) places.add(`${node}/${name}/`);
    return [assignments, statuses].flatMap((range) => {
      if (this.#watched.has(range)) return [];
      if (places.size > SINGLY) return this.#whole(range);
      return [...places].flatMap((place) => this.#whole(range + place));
    });
  }

  /** A global workload may come to any node. */
  #nodes(): Range[] {
    const { nodes } = this.#layout;
    const { state, names } = this.#about;
    if (this.#watched.has(nodes)) return [];
    const isGlobal = [...names].some((name) => state.workloads.get(name)?.value.scale.kind === 'global');
    const used = new Set([...names].flatMap((name) => copiesOf(state, name).map(({ node }) => node)));
    if (isGlobal || used.size > SINGLY) return this.#whole(nodes);
    return [...used].flatMap((node) => this.#whole(`${nodes}${node}/`));
  }

  #whole(prefix: string): Range[] {
    return this.#unless(prefix, { prefix });
  }

  #unless(id: string, range: Range): Range[] {
    if (this.#watched.has(id)) return [];
    this.#watched.add(id);
    return [range];
  }
}
