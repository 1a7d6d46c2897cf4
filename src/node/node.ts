import type { Layout } from '../cluster/layout.ts';
import { Mirror } from '../cluster/mirror.ts';
import { type InstanceKey, type NodeId, parseInstanceKey, splitInstanceKey } from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import type { Kv } from '../etcd/port.ts';
import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';
import { type ActionFailure, InFlight } from '../loop/in-flight.ts';
import type { Log } from '../loop/log.ts';
import { ReconcileLoop } from '../loop/reconcile-loop.ts';
import { supervise } from '../loop/supervise.ts';
import {
  type DesiredInstance,
  isAlive,
  isUrgent,
  type NodeAction,
  type NodeConditions,
  planNode,
} from '../plan/plan-node.ts';
import type { Runtime } from '../runtime/port.ts';
import { type Doers, makeDoers } from './doers.ts';
import { NodeMemory, type RestartPolicy } from './instance-memory.ts';
import { makeDesired } from './make-desired.ts';
import { makeStatuses, type StatusesInput } from './make-statuses.ts';
import { nextPassInMs } from './next-pass.ts';
import type { NodeRights } from './node-rights.ts';
import { Observer } from './observer.ts';
import { type Order, OrderBook } from './order-book.ts';
import { SpecReader, type SpecReading } from './spec-reader.ts';
import { StatusWriter } from './status-writer.ts';
import { listStoredStatuses } from './stored-statuses.ts';

export interface NodeOptions {
  readonly kv: Kv;
  readonly layout: Layout;
  readonly clusterId: string;
  readonly node: NodeId;
  readonly runtimes: readonly Runtime[];
  readonly rights: NodeRights;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** How many actions begin side by side. */
  readonly parallelism: number;
  readonly restartPolicy: RestartPolicy;
}

/** Runtimes are audited this often even if no event came. */
const AUDIT_INTERVAL_MS = 60_000;
/** A runtime that didn't answer is asked again after this. */
const UNREADABLE_RETRY_MS = 1_000;
/** A machine that goes down waits so long for its last report to be stored: the store may be going down too. */
const LAST_REPORT_MS = 5_000;
/** An action that takes longer no longer counts against the parallelism. */
const SLOW_AFTER_MS = 3_000;

/** The node's side: reads its orders and its runtimes, begins what is to be done, reports what is. */
export class Node {
  readonly #options: NodeOptions;
  readonly #mirror: Mirror;
  readonly #orders: OrderBook;
  readonly #specs: SpecReader;
  readonly #memory: NodeMemory;
  readonly #inFlight: InFlight;
  readonly #writer: StatusWriter;
  readonly #loop: ReconcileLoop;
  readonly #doers: Doers;
  readonly #observer: Observer;
  readonly #observedOnce = Promise.withResolvers<void>();
  #isLeaving = false;
  /** A pass since has seen that nothing runs that must not, and nothing is about to. */
  #hasLeft = false;
  #hasStopOrders = false;
  #passSinceMs: number | undefined;

  constructor(options: NodeOptions) {
    const { kv, layout, node, clock, log, random } = options;
    this.#options = options;
    const nudge = () => this.#loop.nudge();
    this.#mirror = new Mirror({ kv, prefix: layout.assignmentsOf(node), clock, log, random, onChange: nudge });
    this.#orders = new OrderBook({ mirror: this.#mirror, layout, node, log });
    this.#observer = new Observer({
      runtimes: options.runtimes,
      clock,
      log,
      keysInFlight: () => this.#memory.keysInFlight(),
      onLate: nudge,
    });
    this.#specs = new SpecReader({ kv, layout, clock, onRead: nudge });
    this.#memory = new NodeMemory(clock, options.restartPolicy, random);
    this.#writer = new StatusWriter({ kv, layout, node, clock, log, random, guard: () => options.rights.guard() });
    this.#inFlight = new InFlight({
      clock,
      parallelism: options.parallelism,
      slowAfterMs: SLOW_AFTER_MS,
      onEnd: (key, failure) => this.#noteEnd(parseInstanceKey(key), failure),
    });
    this.#doers = makeDoers({
      ...options,
      onProgress: (key, progress) => {
        this.#memory.of(key).progress = progress;
        this.#loop.nudge();
      },
    });
    this.#loop = new ReconcileLoop({
      clock,
      intervalMs: AUDIT_INTERVAL_MS,
      backoffMs: (failures) => backoffMs(failures, { firstMs: 200, maxMs: 5_000, jitter: 0.3, random }),
      pass: async (signal) => {
        this.#passSinceMs = clock.monotonicMs();
        await this.#pass(signal).finally(() => {
          this.#passSinceMs = undefined;
        });
      },
      onFailure: (err, failures) => log.error({ err, failures }, 'node pass failed'),
    });
  }

  /** Resolves once every runtime has been asked for the first time, and has answered or kept silent for some seconds. */
  get observedOnce(): Promise<void> {
    return this.#observedOnce.promise;
  }

  /** The revision of the store that the orders show; 0 until they have been read. */
  get ordersRevision(): number {
    return this.#mirror.revision;
  }

  /** False when a pass has been under way for longer than `limitMs`: then the process is of no use any more. */
  isAlive(limitMs: number): boolean {
    return this.#passSinceMs === undefined || this.#options.clock.monotonicMs() - this.#passSinceMs < limitMs;
  }

  /** Something outside has changed (presence, the deadline): look again. */
  nudge(): void {
    this.#loop.nudge();
  }

  /** Presence is ours, newly or again: what the store holds of our statuses is read anew. */
  async registered(signal: AbortSignal): Promise<void> {
    const range = this.#options.layout.statusesOf(this.#options.node);
    const stored = await listStoredStatuses({ ...this.#options, range }, signal);
    await this.#mirror.waitForList(signal);
    if (stored === undefined || signal.aborted) return;
    this.#writer.reset(stored);
    for (const [key, { status }] of stored) if (status !== undefined) this.#memory.inherit(key, status);
    this.#loop.nudge();
  }

  /**
   * The machine goes down: starts nothing more, stops the `stop` instances; resolves once they are dead, and reported where the
   * store takes it.
   */
  async leave(signal: AbortSignal): Promise<void> {
    this.#isLeaving = true;
    this.#loop.nudge();
    const { clock, rights } = this.#options;
    while (!signal.aborted && !this.#hasLeft) await clock.sleep(50, signal);
    const untilMs = clock.monotonicMs() + LAST_REPORT_MS;
    const isToReport = () => this.#hasStopOrders && rights.guard() !== undefined && !this.#writer.isSettled;
    while (!signal.aborted && clock.monotonicMs() < untilMs && isToReport()) await clock.sleep(50, signal);
  }

  /** Runs until the signal aborts; leaves everything that runs as it is. */
  async run(signal: AbortSignal): Promise<void> {
    const runtimes = this.#options.runtimes.map((runtime) => ({
      name: runtime.kind,
      run: (stop: AbortSignal) => runtime.run(() => this.#loop.nudge(), stop),
    }));
    await supervise(
      [
        ...runtimes,
        { name: 'orders', run: (stop) => this.#mirror.run(stop) },
        { name: 'statuses', run: (stop) => this.#writer.run(stop) },
        { name: 'pass', run: (stop) => this.#loop.run(stop) },
      ],
      signal,
    );
    this.#inFlight.abortAll(new Error('the agent stops'));
    await this.#inFlight.drain();
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { clock, rights } = this.#options;
    const isStarting = this.#memory.isAnyStarting;
    const observation = await this.#observer.observe(signal);
    // What ends while the runtimes are read is seen as it was before its end: it stays busy for this pass.
    const isBusy = (key: InstanceKey) => observation.busy.has(key) || this.#inFlight.has(key);
    const isOutOfDate = (key: InstanceKey) => observation.busy.has(key) && !this.#inFlight.has(key);
    if ([...observation.busy].some(isOutOfDate)) this.#loop.nudge();
    if (observation.unreadable.size > 0) this.#loop.nudgeWithin(UNREADABLE_RETRY_MS);
    this.#observedOnce.resolve();
    // One whose stop ended while the runtimes were read is dead, but its receipt is the next pass's to give.
    const isRunning = [...observation.instances.values()].some(
      (seen) => seen.disconnect === 'stop' && (isAlive(seen) || observation.busy.has(seen.key)),
    );
    this.#hasLeft = this.#isLeaving && !isStarting && !isRunning;
    if (!this.#mirror.synced || !rights.isDecided) return;
    const { readable: orders, unreadable: unreadableOrders } = this.#orders.read();
    const readings = this.#readSpecs(orders, signal);
    const desired = makeDesired({ orders, unreadableOrders, readings, observation });
    this.#hasStopOrders = [...desired.values()].some(({ disconnect }) => disconnect === 'stop');
    const mustStop = this.#isLeaving ? 'leaving' : rights.isFenced() ? 'fenced' : undefined;
    this.#abortOutdated(desired, mustStop);
    for (const { key, assignment } of orders.values()) {
      this.#memory.noteOrdered(key, assignment.order, assignment.spec);
      const seen = observation.instances.get(key);
      if (seen !== undefined && !isBusy(key)) this.#memory.noteObserved(seen);
    }
    const nowMs = clock.monotonicMs();
    const actions = planNode(
      {
        desired,
        observed: observation.instances,
        memory: this.#memory.forPlan([...desired.keys(), ...observation.instances.keys()], isBusy),
        conditions: {
          accepting: !this.#isLeaving,
          maySafelyRun: rights.maySafelyRun(),
          mustStop,
          readable: observation.readable,
        },
      },
      nowMs,
    );
    for (const action of actions) this.#begin(action, orders, readings);
    this.#report({ orders, unreadableOrders, readings, observation, isOutOfDate, mustStop: mustStop !== undefined });
    this.#memory.retain((key) => desired.has(key) || observation.instances.has(key));
    const waitMs = nextPassInMs(observation, this.#memory.nextRetryAtMs(), nowMs);
    if (waitMs !== undefined) this.#loop.nudgeWithin(waitMs);
  }

  /** While a spec is still being read nothing is said: what runs could be taken for what is ordered. */
  #report(seen: Omit<StatusesInput, 'memory' | 'previous' | 'nowIso'>): void {
    if ([...seen.readings.values()].some(({ kind }) => kind === 'reading')) return;
    const statuses = makeStatuses({
      ...seen,
      memory: (key) => this.#memory.get(key),
      previous: (key) => this.#writer.last(key),
      nowIso: this.#options.clock.wallTime().toISOString(),
    });
    this.#writer.want(statuses);
  }

  #readSpecs(orders: ReadonlyMap<InstanceKey, Order>, signal: AbortSignal): Map<InstanceKey, SpecReading> {
    const readings = new Map<InstanceKey, SpecReading>();
    const used = new Set<string>();
    for (const { key, assignment } of orders.values()) {
      if (assignment.order !== 'run') continue;
      const { workload } = splitInstanceKey(key);
      const reading = this.#specs.get(workload, assignment.spec, signal);
      used.add(this.#options.layout.spec(workload, assignment.spec));
      readings.set(key, reading);
      if (reading.kind === 'failed')
        this.#loop.nudgeWithin(Math.max(0, reading.retryAtMs - this.#options.clock.monotonicMs()));
    }
    this.#specs.retain((path) => used.has(path));
    return readings;
  }

  /** A start whose order has changed is in the way of the new order; one that must not be done any more is given up. */
  #abortOutdated(desired: ReadonlyMap<InstanceKey, DesiredInstance>, mustStop: NodeConditions['mustStop']): void {
    for (const key of this.#memory.keysInFlight()) {
      const remembered = this.#memory.of(key);
      const want = desired.get(key);
      if (remembered.action?.kind !== 'start') continue;
      const isOrdered =
        want?.order === 'run' && (want.specHash === undefined || want.specHash === remembered.startingHash);
      if (!isOrdered) this.#inFlight.abort(key, new Error('the order has changed'));
      else if (mustStop === 'leaving' || (mustStop === 'fenced' && want.disconnect === 'stop'))
        this.#inFlight.abort(key, new Error(`the node is ${mustStop}`));
    }
  }

  #begin(
    action: NodeAction,
    orders: ReadonlyMap<InstanceKey, Order>,
    readings: ReadonlyMap<InstanceKey, SpecReading>,
  ): void {
    const reading = readings.get(action.key);
    const spec = reading?.kind === 'read' ? reading.spec : undefined;
    const order = orders.get(action.key);
    this.#options.log.info(
      { instance: displayName(action.key), action: action.kind, reason: action.reason },
      'action begins',
    );
    this.#memory.noteBegin(action, spec?.hash);
    const work = (signal: AbortSignal) => this.#doers[action.kind]({ key: action.key, order, spec }, signal);
    if (isUrgent(action)) this.#inFlight.beginAtOnce(action.key, work);
    else this.#inFlight.begin(action.key, work);
  }

  #noteEnd(key: InstanceKey, failure: ActionFailure | undefined): void {
    const action = this.#memory.get(key)?.action;
    this.#memory.noteEnd(key, failure);
    if (failure !== undefined && !failure.wasAborted) {
      this.#options.log.warn({ instance: displayName(key), action: action?.kind, err: failure.error }, 'action failed');
    }
    this.#loop.nudge();
  }
}
