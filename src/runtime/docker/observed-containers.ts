import { errorCodeOf, errorText } from '../../domain/errors.ts';
import type { ClusterId, InstanceKey } from '../../domain/ids.ts';
import type { ObservedInstance } from '../../domain/status.ts';
import type { Clock } from '../../loop/clock.ts';
import { asListed, type Containers, type ListedContainer } from './containers.ts';
import { isAlive } from './is-as-ordered.ts';
import { readLabels } from './labels.ts';
import type { LostOutcome, LostProcesses } from './lost-processes.ts';
import { type InspectedContainer, observeContainer } from './observe-container.ts';

interface Entry {
  readonly token: string;
  readonly atMs: number;
  readonly observed: ObservedInstance;
}

interface Inspection {
  readonly id: string;
  stale: boolean;
}

/** A container that changes while it's inspected is inspected again, so often. */
const INSPECT_ATTEMPTS = 4;
/** So many inspections at once. */
const atOnce = 8;

/** Should an event be lost, what is shown is right again after so long: less than the time between two passes that nothing nudges. */
const listEveryMs = 50_000;

/**
 * What runs here, without a call while nothing changes: a container is inspected when an event says that it has changed, and
 * all are listed now and then. Without events nothing is remembered.
 */
export class ObservedContainers {
  readonly #containers: Containers;
  readonly #lost: Pick<LostProcesses, 'end'>;
  readonly #clusterId: ClusterId;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  /** All containers of the cluster, while events keep it right; without them each look lists anew. */
  #listing: Map<string, ListedContainer> | undefined;
  #listAgainAtMs = 0;
  /** Told of; one that isn't in the listing is new, and stays here until it is: looks side by side must all see it. */
  readonly #news = new Set<string>();
  /** Being inspected, by one look or several; `stale` when an event came in between. */
  readonly #inspections = new Set<Inspection>();
  /** Asked to stop by this process and not started since: their exit code is no failure. */
  readonly #stopOrdered = new Set<string>();
  /** A stop is in flight. */
  readonly #stopping = new Set<string>();
  /** The stream of events, while there is one: what was asked for under another one is not kept. */
  #stream: object | undefined;

  constructor(containers: Containers, lost: Pick<LostProcesses, 'end'>, clusterId: ClusterId, clock: Clock) {
    this.#containers = containers;
    this.#lost = lost;
    this.#clusterId = clusterId;
    this.#clock = clock;
  }

  /** Events arrive from now on, or no longer: either way what is remembered is worth nothing. */
  setEvents(arrive: boolean): void {
    this.#stream = arrive ? {} : undefined;
    this.#listing = undefined;
    this.#entries.clear();
    for (const inspection of this.#inspections) inspection.stale = true;
  }

  /** An event says that it changed, or we changed it. */
  forget(id: string): void {
    this.#entries.delete(id);
    this.#news.add(id);
    for (const inspection of this.#inspections) if (inspection.id === id) inspection.stale = true;
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
    try {
      return await this.#observe(signal);
    } catch (error) {
      this.#listing = undefined; // what was not looked at is found by listing anew
      throw error;
    }
  }

  async #observe(signal: AbortSignal): Promise<readonly ObservedInstance[]> {
    const listing = await this.#list(signal);
    for (const id of this.#news) if (listing.has(id)) this.#news.delete(id);
    const news = [...this.#news];
    this.#dropAllBut(new Set([...listing.keys(), ...news]));
    const found = new Map<InstanceKey, ObservedInstance>();
    const queue = [...listing.values(), ...news.map((id) => ({ Id: id }))].values();
    const inspectSome = async () => {
      for (const item of queue) {
        const observed = await this.#observeOne(item, listing, signal);
        const other = observed && found.get(observed.key);
        // Two of one key: somebody renamed one. What runs is what counts.
        if (observed && other?.phase !== 'running') found.set(observed.key, observed);
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, listing.size + news.length) }, inspectSome));
    return [...found.values()].sort((one, other) => (one.key < other.key ? -1 : 1));
  }

  async #list(signal: AbortSignal): Promise<Map<string, ListedContainer>> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#listing !== undefined && nowMs < this.#listAgainAtMs) return this.#listing;
    const stream = this.#stream;
    const before = this.#listing;
    const listed = await this.#containers.list(signal);
    // Another look has listed meanwhile: what it knows since isn't dropped for what may be from before.
    if (this.#listing !== undefined && this.#listing !== before) return this.#listing;
    const listing = new Map(listed.map((item) => [item.Id, item]));
    if (stream === undefined || stream !== this.#stream) return listing;
    this.#listing = listing;
    this.#listAgainAtMs = nowMs + listEveryMs;
    return listing;
  }

  async #observeOne(
    { Id: id }: { readonly Id: string },
    listing: Map<string, ListedContainer>,
    signal: AbortSignal,
  ): Promise<ObservedInstance | undefined> {
    const item = listing.get(id);
    const known = item && this.#entries.get(id);
    if (item && !readLabels(this.#clusterId, item.Labels)) return undefined;
    const isCurrent = item !== undefined && known?.token === tokenOf(item);
    const entry = isCurrent ? known : await this.#inspectOrList(id, listing, signal);
    if (!entry) return undefined;
    const { observed, atMs } = entry;
    if (observed.phase !== 'running') return observed;
    const runningForMs = observed.runningForMs + (this.#clock.monotonicMs() - atMs);
    return { ...observed, runningForMs, phase: this.#stopping.has(id) ? 'stopping' : 'running' };
  }

  /** One whose files are damaged fails to be inspected for ever: it's shown as it's listed, and the others aren't kept from being seen. */
  async #inspectOrList(
    id: string,
    listing: Map<string, ListedContainer>,
    signal: AbortSignal,
  ): Promise<Entry | undefined> {
    try {
      return await this.#inspect(id, listing, signal);
    } catch (error) {
      const item = listing.get(id);
      const owner = item && readLabels(this.#clusterId, item.Labels);
      if (errorCodeOf(error) !== 'INTERNAL' || !owner) throw error;
      const atMs = this.#clock.monotonicMs();
      const context = { wallMs: this.#clock.wallTime().getTime(), stopOrdered: this.#stopOrdered.has(id) };
      const observed = observeContainer(asListed(item), owner, context);
      const everStarted = item.State !== 'created';
      return { token: '', atMs, observed: { ...observed, everStarted, error: errorText(error) } };
    }
  }

  /** Again where it has changed meanwhile: what was seen before a start or a stop isn't to be taken for what is after it. */
  async #inspect(id: string, listing: Map<string, ListedContainer>, signal: AbortSignal): Promise<Entry | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      const inspection = { id, stale: false };
      this.#inspections.add(inspection);
      try {
        const container = await this.#containers.inspect(id, signal);
        if (!container) {
          listing.delete(id); // removed since
          this.#news.delete(id);
          return undefined;
        }
        const outcome = isAlive(container) ? 'alive' : await this.#endLost(container, signal);
        inspection.stale ||= outcome === 'alive' && !isAlive(container);
        if (inspection.stale && attempt < INSPECT_ATTEMPTS) continue;
        return this.#note(container, listing, { isCurrent: !inspection.stale, stillRuns: outcome === 'runs' });
      } finally {
        this.#inspections.delete(inspection);
      }
    }
  }

  async #endLost(container: InspectedContainer, signal: AbortSignal): Promise<LostOutcome> {
    return readLabels(this.#clusterId, container.Config?.Labels ?? {}) === undefined
      ? 'ended'
      : this.#lost.end(container, signal);
  }

  #note(
    container: InspectedContainer,
    listing: Map<string, ListedContainer>,
    { isCurrent, stillRuns }: { readonly isCurrent: boolean; readonly stillRuns: boolean },
  ): Entry | undefined {
    const id = container.Id;
    const labels = container.Config?.Labels ?? {};
    const item = listing.get(id) ?? { Id: id, State: container.State.Status, Status: '', Labels: labels };
    listing.set(id, item);
    const owner = readLabels(this.#clusterId, item.Labels);
    if (!owner) return undefined;
    const context = { wallMs: this.#clock.wallTime().getTime(), stopOrdered: this.#stopOrdered.has(id) };
    const observed = observeContainer(container, owner, context);
    const shown: ObservedInstance = stillRuns ? { ...observed, phase: 'stopping' } : observed;
    const entry = { token: tokenOf(item), atMs: this.#clock.monotonicMs(), observed: shown };
    if (this.#stream && isCurrent && !stillRuns) this.#entries.set(id, entry);
    return entry;
  }

  #dropAllBut(ids: ReadonlySet<string>): void {
    for (const known of [this.#entries, this.#stopOrdered]) {
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
    }
  }
}

/** What a listing shows that changes with the container: an event that was lost costs nothing. */
function tokenOf({ State: state, Status: status }: ListedContainer): string {
  return `${state} ${/\((healthy|unhealthy|health: starting|Paused)\)/.exec(status)?.[1] ?? ''}`;
}
