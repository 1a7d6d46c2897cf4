import type { WorkloadName } from '../domain/ids.ts';

/** Which workloads are to be planned again. */
export class Dirty {
  #names = new Set<WorkloadName>();
  #all = false;

  add(name: WorkloadName): void {
    if (!this.#all) this.#names.add(name);
  }

  addAll(names: Iterable<WorkloadName> | 'all'): void {
    if (names === 'all') {
      this.#all = true;
      this.#names.clear();
    } else for (const name of names) this.add(name);
  }

  /** What has gathered; it begins anew. */
  take(): ReadonlySet<WorkloadName> | 'all' {
    const taken = this.#all ? 'all' : this.#names;
    this.#names = new Set();
    this.#all = false;
    return taken;
  }
}
