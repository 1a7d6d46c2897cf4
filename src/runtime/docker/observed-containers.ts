import type { ClusterId, InstanceKey } from '../../domain/ids.ts';
import type { ObservedInstance } from '../../domain/status.ts';
import type { Clock } from '../../loop/clock.ts';
import type { Containers, ListedContainer } from './containers.ts';
import { type Ownership, readLabels } from './labels.ts';
import { observeContainer } from './observe-container.ts';

interface Entry {
  readonly token: string;
  readonly atMs: number;
  readonly observed: ObservedInstance;
}

/** So many inspections at once. */
const atOnce = 8;

/**
 * What runs here, with one list call while nothing changes: a container is inspected when an event or the listing says that it
 * has changed. Without events nothing is remembered.
 */
export class ObservedContainers {
  readonly #containers: Containers;
  readonly #clusterId: ClusterId;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  /** Being inspected; `stale` when an event came in between. */
  readonly #inspecting = new Map<string, { stale: boolean }>();
  /** Asked to stop by this process and not started since: their exit code is no failure. */
  readonly #stopOrdered = new Set<string>();
  /** A stop is in flight. */
  readonly #stopping = new Set<string>();
  #events = false;

  constructor(containers: Containers, clusterId: ClusterId, clock: Clock) {
    this.#containers = containers;
    this.#clusterId = clusterId;
    this.#clock = clock;
  }

  /** Events arrive from now on, or no longer: either way what is remembered is worth nothing. */
  setEvents(arrive: boolean): void {
    this.#events = arrive;
    this.#entries.clear();
    for (const inspection of this.#inspecting.values()) inspection.stale = true;
  }

  /** An event says that it changed, or we changed it. */
  forget(id: string): void {
    this.#entries.delete(id);
    const inspection = this.#inspecting.get(id);
    if (inspection) inspection.stale = true;
  }

  stopBegins(id: string): void {
    this.#stopOrdered.add(id);
    this.#stopping.add(id);
    this.forget(id);
  }

  stopEnds(id: string): void {
    this.#stopping.delete(id);
    this.forget(id);
  }

  startBegins(id: string): void {
    this.#stopOrdered.delete(id);
    this.forget(id);
  }

  async observe(signal: AbortSignal): Promise<readonly ObservedInstance[]> {
    const listed = await this.#containers.list(signal);
    this.#dropAllBut(listed);
    const found = new Map<InstanceKey, ObservedInstance>();
    const queue = listed.values();
    const inspectSome = async () => {
      for (const item of queue) {
        const observed = await this.#observeOne(item, signal);
        const other = observed && found.get(observed.key);
        // Two of one key: somebody renamed one. What runs is what counts.
        if (observed && other?.phase !== 'running') found.set(observed.key, observed);
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, listed.length) }, inspectSome));
    return [...found.values()].sort((one, other) => (one.key < other.key ? -1 : 1));
  }

  async #observeOne(item: ListedContainer, signal: AbortSignal): Promise<ObservedInstance | undefined> {
    const owner = readLabels(this.#clusterId, item.Labels);
    if (!owner) return undefined;
    const known = this.#entries.get(item.Id);
    const entry = known?.token === tokenOf(item) ? known : await this.#inspect(item, owner, signal);
    if (!entry) return undefined;
    const { observed, atMs } = entry;
    if (observed.phase !== 'running') return observed;
    const runningForMs = observed.runningForMs + (this.#clock.monotonicMs() - atMs);
    return { ...observed, runningForMs, phase: this.#stopping.has(item.Id) ? 'stopping' : 'running' };
  }

  async #inspect(item: ListedContainer, owner: Ownership, signal: AbortSignal): Promise<Entry | undefined> {
    const inspection = { stale: false };
    this.#inspecting.set(item.Id, inspection);
    try {
      const container = await this.#containers.inspect(item.Id, signal);
      if (!container) return undefined; // removed since it was listed
      const context = { wallMs: this.#clock.wallTime().getTime(), stopOrdered: this.#stopOrdered.has(item.Id) };
      const observed = observeContainer(container, owner, context);
      const entry = { token: tokenOf(item), atMs: this.#clock.monotonicMs(), observed };
      if (this.#events && !inspection.stale) this.#entries.set(item.Id, entry);
      return entry;
    } finally {
      if (this.#inspecting.get(item.Id) === inspection) this.#inspecting.delete(item.Id);
    }
  }

  #dropAllBut(listed: readonly ListedContainer[]): void {
    const ids = new Set(listed.map(({ Id: id }) => id));
    for (const known of [this.#entries, this.#stopOrdered]) {
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
    }
  }
}

/** What a listing shows that changes with the container: an event that was lost costs nothing. */
function tokenOf({ State: state, Status: status }: ListedContainer): string {
  return `${state} ${/\((healthy|unhealthy|health: starting|Paused)\)/.exec(status)?.[1] ?? ''}`;
}
