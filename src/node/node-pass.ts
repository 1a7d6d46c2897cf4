import type { InstanceKey } from '../domain/ids.ts';
import { runtimeOf } from '../domain/runtime-of.ts';
import type { Clock } from '../loop/clock.ts';
import type { ReconcileLoop } from '../loop/reconcile-loop.ts';
import { type DesiredInstance, isAlive, type NodeConditions, planNode } from '../plan/plan-node.ts';
import type { Actions } from './actions.ts';
import type { NodeMemory } from './instance-memory.ts';
import type { KnownOrders, LastKnown } from './last-known.ts';
import { makeDesired, makeOfflineDesired } from './make-desired.ts';
import { makeStatuses } from './make-statuses.ts';
import { nextPassInMs } from './next-pass.ts';
import type { NodeRights } from './node-rights.ts';
import type { Observation, Observer } from './observer.ts';
import type { OrderBook } from './order-book.ts';
import type { SpecReader } from './spec-reader.ts';
import type { StatusWriter } from './status-writer.ts';
import type { SwitchKeeper } from './switch-keeper.ts';

/** What a pass works with. */
export interface NodePassParts {
  readonly clock: Clock;
  readonly rights: NodeRights;
  /** Of the machine's present boot; undefined until it is known. */
  readonly bootId: () => string | undefined;
  readonly switchKeeper: Pick<SwitchKeeper, 'look'>;
  readonly observer: Observer;
  /** Whether the orders have been read since the start. */
  readonly hasOrders: () => boolean;
  /** Whether these are of the cluster's present epoch. Where they aren't, they are read anew, and a pass follows. */
  readonly hasOrdersOfThisEpoch: () => boolean;
  readonly orders: OrderBook;
  readonly specs: SpecReader;
  readonly lastKnown: LastKnown;
  readonly memory: NodeMemory;
  readonly actions: Actions;
  readonly writer: StatusWriter;
  readonly loop: Pick<ReconcileLoop, 'nudge' | 'nudgeWithin'>;
}

/** What a pass goes by. */
interface Wanted {
  readonly desired: ReadonlyMap<InstanceKey, DesiredInstance>;
  readonly ordered: KnownOrders;
  /** `store`: as ordered now. `disk`: as last known, while the store has not answered. `none`: no order may be acted on. */
  readonly from: 'store' | 'disk' | 'none';
}

const nothingOrdered: KnownOrders = { readable: new Map(), unreadable: new Map(), readings: new Map() };

/** What a look at the runtimes says besides what it shows: what may be from before an action's end. */
interface Seen {
  readonly observation: Observation;
  /** An action is in flight, or ended while the runtimes were read: then it's seen as it was before its end. */
  readonly isBusy: (key: InstanceKey) => boolean;
  readonly isOutOfDate: (key: InstanceKey) => boolean;
}

/** A runtime that didn't answer is asked again after this. */
const UNREADABLE_RETRY_MS = 1_000;

/** One pass after the other: observe, plan, begin, report. Nothing is waited for but the look at the runtimes. */
export class NodePass {
  readonly #parts: NodePassParts;
  readonly #observedOnce = Promise.withResolvers<void>();
  #hasObserved = false;
  #isLeaving = false;
  #hasLeft = false;
  /** What was last wanted: what is in flight goes by it while no order may be acted on. */
  #desired: ReadonlyMap<InstanceKey, DesiredInstance> = new Map();
  #sinceMs: number | undefined;

  constructor(parts: NodePassParts) {
    this.#parts = parts;
  }

  /** Resolves once every runtime has been asked for the first time, and has answered or kept silent for some seconds. */
  get observedOnce(): Promise<void> {
    return this.#observedOnce.promise;
  }

  get hasObserved(): boolean {
    return this.#hasObserved;
  }

  /** When the pass under way began; undefined between two. */
  get sinceMs(): number | undefined {
    return this.#sinceMs;
  }

  /** A pass since {@link leave} has seen that nothing runs that must not, and nothing is about to. */
  get hasLeft(): boolean {
    return this.#hasLeft && !this.#hasUnknownStops;
  }

  /** What an earlier process started may run where a runtime has not answered this one. */
  get #hasUnknownStops(): boolean {
    const { observer } = this.#parts;
    const stops = [...this.#desired.values()].filter(({ disconnect }) => disconnect === 'stop');
    return stops.some(({ key }) => observer.isUnknown(runtimeOf(key)));
  }

  /** Some order is for a `stop` instance. */
  get hasStopOrders(): boolean {
    return [...this.#desired.values()].some(({ disconnect }) => disconnect === 'stop');
  }

  /** Some `stop` instance is ordered to run here. */
  get hasRunningStopOrders(): boolean {
    return [...this.#desired.values()].some(({ disconnect, order }) => disconnect === 'stop' && order === 'run');
  }

  /** From the next pass on nothing is started, and `stop` instances end. */
  leave(): void {
    this.#isLeaving = true;
    this.#parts.loop.nudge();
  }

  /** One pass. Rejects only on abort. */
  async run(signal: AbortSignal): Promise<void> {
    this.#sinceMs = this.#parts.clock.monotonicMs();
    try {
      await this.#run(signal);
    } finally {
      this.#sinceMs = undefined;
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { rights, actions, memory, lastKnown, clock } = this.#parts;
    const seen = await this.#look(signal);
    const nowMs = clock.monotonicMs();
    const wanted = this.#findWanted(seen.observation, signal);
    const mustStop = this.#isLeaving ? 'leaving' : rights.isFenced() ? 'fenced' : undefined;
    actions.abortOutdated(this.#desired, mustStop);
    this.#remember(wanted.ordered, seen);
    this.#act(wanted, seen, { mustStop, nowMs });
    this.#comeBackInTime(seen.observation, nowMs);
    if (wanted.from !== 'store') return;
    lastKnown.note(wanted.ordered);
    this.#report(wanted.ordered, seen, mustStop !== undefined);
    const { instances } = seen.observation;
    memory.retain((key) => wanted.desired.has(key) || instances.has(key));
  }

  /**
   * While the store has not been read, may be an older one, or this node may not act yet, no order is acted on; nor is one that was
   * read before the store was set back, since what it names is another now.
   */
  #findWanted(observation: Observation, signal: AbortSignal): Wanted {
    const { rights, hasOrders, hasOrdersOfThisEpoch, lastKnown, memory } = this.#parts;
    if (rights.isDecided && rights.isStoreTrusted && hasOrdersOfThisEpoch()) {
      const ordered = this.#readOrders(signal);
      this.#desired = makeDesired({ ...ordered, observation });
      return { desired: this.#desired, ordered, from: 'store' };
    }
    const known = hasOrders() || !rights.isStoreTrusted ? undefined : lastKnown.due;
    if (known === undefined) return { desired: new Map(), ordered: nothingOrdered, from: 'none' };
    this.#desired = makeOfflineDesired(known, (key) => memory.get(key)?.lastAction !== undefined);
    return { desired: this.#desired, ordered: known, from: 'disk' };
  }

  async #look(signal: AbortSignal): Promise<Seen> {
    const { observer, switchKeeper, memory, actions, loop } = this.#parts;
    const wasStarting = memory.isAnyStarting;
    const noteStops = switchKeeper.look();
    const observation = await observer.observe(signal);
    const isBusy = (key: InstanceKey) => observation.busy.has(key) || actions.has(key);
    const isOutOfDate = (key: InstanceKey) => observation.busy.has(key) && !actions.has(key);
    if ([...observation.busy].some(isOutOfDate)) loop.nudge();
    if (observation.unreadable.size > 0) loop.nudgeWithin(UNREADABLE_RETRY_MS);
    this.#hasObserved = true;
    this.#observedOnce.resolve();
    memory.noteLook((key) => observation.readable.has(runtimeOf(key)) && !isBusy(key));
    this.#judgeStops(observation, wasStarting, noteStops);
    return { observation, isBusy, isOutOfDate };
  }

  /** Whether this node has left, and what the dead man's switch is told, go by the `stop` instances that run or may run. */
  #judgeStops(observation: Observation, wasStarting: boolean, noteStops: ReturnType<SwitchKeeper['look']>): void {
    const { memory } = this.#parts;
    // One whose stop ended while the runtimes were read is dead, but its receipt is the next pass's to give.
    const stops = [...observation.instances.values()].filter(({ disconnect }) => disconnect === 'stop');
    const isRunning = stops.some((instance) => isAlive(instance) || observation.busy.has(instance.key));
    // A late answer may be of before the end of a start that has ended since; a silent runtime's last one is of before its begin.
    const isAnyUnseen = memory.hasUnseenStarts;
    this.#hasLeft = this.#isLeaving && !wasStarting && !isRunning && !isAnyUnseen;
    const isAllSeen = observation.unreadable.size === 0 && !isAnyUnseen;
    const hasEnded = stops.some((instance) => !isAlive(instance));
    if (noteStops(isRunning ? 'some' : isAllSeen ? 'none' : 'unknown', hasEnded)) {
      for (const { key } of stops) memory.noteFenced(key);
    }
  }

  #readOrders(signal: AbortSignal): KnownOrders {
    const { orders, specs, clock, loop } = this.#parts;
    const { readable, unreadable } = orders.read();
    const { readings, retryAtMs } = specs.readAll(readable.values(), signal);
    if (retryAtMs !== undefined) loop.nudgeWithin(Math.max(0, retryAtMs - clock.monotonicMs()));
    return { readable, unreadable, readings };
  }

  #remember({ readable }: KnownOrders, { observation, isBusy }: Seen): void {
    const { memory } = this.#parts;
    for (const { key, assignment } of readable.values()) {
      memory.noteOrdered(key, assignment);
      const instance = observation.instances.get(key);
      if (instance !== undefined && assignment.launch !== false && !isBusy(key)) memory.noteObserved(instance);
    }
  }

  #act(
    { desired, ordered, from }: Wanted,
    seen: Seen,
    { mustStop, nowMs }: Pick<NodeConditions, 'mustStop'> & { readonly nowMs: number },
  ): void {
    const { rights, memory, actions } = this.#parts;
    const { instances: observed, readable } = seen.observation;
    const conditions: NodeConditions = {
      accepting: from !== 'none' && !this.#isLeaving,
      ordersKnown: from === 'store',
      maySafelyRun: rights.maySafelyRun(),
      mustStop,
      readable,
    };
    const keys = [...desired.keys(), ...observed.keys()];
    const view = { desired, observed, memory: memory.forPlan(keys, seen.isBusy), conditions };
    for (const action of planNode(view, nowMs)) actions.begin(action, ordered.readable, ordered.readings);
  }

  /** While a spec is still being read nothing is said: what runs could be taken for what is ordered. */
  #report({ readable, unreadable, readings }: KnownOrders, seen: Seen, mustStop: boolean): void {
    const { memory, writer, clock } = this.#parts;
    if ([...readings.values()].some(({ kind }) => kind === 'reading')) return;
    const statuses = makeStatuses({
      orders: readable,
      unreadableOrders: unreadable,
      readings,
      observation: seen.observation,
      isOutOfDate: seen.isOutOfDate,
      memory: (key) => memory.get(key),
      previous: (key) => writer.last(key),
      mustStop,
      bootId: this.#parts.bootId(),
      nowIso: clock.wallTime().toISOString(),
    });
    writer.want(statuses);
  }

  /** By the time that was planned with: what has come due since was not begun, and nothing else would bring the next pass. */
  #comeBackInTime(observation: Observation, nowMs: number): void {
    const { memory, loop } = this.#parts;
    const waitMs = nextPassInMs(observation, memory.nextRetryAtMs(nowMs), nowMs);
    if (waitMs !== undefined) loop.nudgeWithin(waitMs);
  }
}
