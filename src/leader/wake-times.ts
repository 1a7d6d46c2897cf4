import type { WorkloadName } from '../domain/ids.ts';

/** When time alone changes what is planned of which workload. */
export class WakeTimes {
  /** Monotonic. */
  readonly #atMs = new Map<WorkloadName, number>();

  /** Takes over what a plan asked for; of what it looked at, nothing else is to be waited for any more. */
  learn(looked: ReadonlySet<WorkloadName> | 'all', wakes: ReadonlyMap<WorkloadName, number>, nowMs: number): void {
    if (looked === 'all') this.#atMs.clear();
    else for (const name of looked) this.#atMs.delete(name);
    for (const [name, inMs] of wakes) this.#atMs.set(name, nowMs + inMs);
  }

  /** The workloads whose time has come. They stay here until a plan has looked at them. */
  due(nowMs: number): WorkloadName[] {
    return [...this.#atMs].flatMap(([name, atMs]) => (atMs <= nowMs ? [name] : []));
  }

  /** In how many milliseconds the next one's comes; undefined: none's. */
  nextInMs(nowMs: number): number | undefined {
    const next = Math.min(...this.#atMs.values());
    return next === Infinity ? undefined : Math.max(0, next - nowMs);
  }
}
