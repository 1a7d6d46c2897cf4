import type { Layout } from '../cluster/layout.ts';
import { Mirror } from '../cluster/mirror.ts';
import type { NodeId } from '../domain/ids.ts';
import type { RuntimeKind } from '../domain/spec.ts';
import type { Phase } from '../domain/status.ts';
import type { Kv } from '../etcd/port.ts';
import type { Host } from '../host/port.ts';
import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { type LoopOptions, ReconcileLoop } from '../loop/reconcile-loop.ts';
import { supervise } from '../loop/supervise.ts';
import type { NodeRuntime } from '../runtime/port.ts';
import { Actions } from './actions.ts';
import { makeDoers } from './doers.ts';
import { NodeMemory, type RestartPolicy } from './instance-memory.ts';
import { LastKnown } from './last-known.ts';
import { NodePass } from './node-pass.ts';
import type { NodeRights } from './node-rights.ts';
import { Observer } from './observer.ts';
import { OrderBook } from './order-book.ts';
import { SpecReader } from './spec-reader.ts';
import { StatusWriter } from './status-writer.ts';
import { listStoredStatuses } from './stored-statuses.ts';
import { SwitchKeeper } from './switch-keeper.ts';

export interface NodeOptions {
  readonly kv: Kv;
  readonly layout: Layout;
  readonly clusterId: string;
  readonly node: NodeId;
  readonly runtimes: readonly NodeRuntime[];
  readonly rights: NodeRights;
  readonly host: Pick<Host, 'identity' | 'stateFiles' | 'deadMansSwitch'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** How many actions begin side by side. */
  readonly parallelism: number;
  readonly restartPolicy: RestartPolicy;
  /** How long, from the start on, the store has to answer before instances start that may do so without it. */
  readonly offlineStartAfterMs: number;
  /** See ReconcileLoop. */
  readonly onPass?: LoopOptions['onPass'];
}

/** What the node's side stands at, for whoever watches over it. */
export interface NodeFigures {
  /** Instances by phase, as this node reports them. */
  readonly phases: ReadonlyMap<Phase, number>;
  readonly actionsInFlight: number;
  readonly passRunningForMs: number;
  /** Why a runtime could not be read when it was last looked at. */
  readonly unreadable: ReadonlyMap<RuntimeKind, string>;
  /** Every runtime has been asked, and has answered or kept silent for some seconds. */
  readonly hasObserved: boolean;
}

/** Runtimes are audited this often even if no event came. */
const AUDIT_INTERVAL_MS = 60_000;
/** A machine that goes down waits so long for its last report to be stored: the store may be going down too. */
const LAST_REPORT_MS = 5_000;
/** And so long to be ordered to stop what it has stopped: there may be no leader, or none that wants it elsewhere. */
const LAST_ORDERS_MS = 2_000;
/** What is then left of a leave's time to answer one. */
const LAST_ANSWER_MS = 500;

/** The node's side: reads its orders and its runtimes, begins what is to be done, reports what is. */
export class Node {
  readonly #options: NodeOptions;
  readonly #mirror: Mirror;
  readonly #memory: NodeMemory;
  readonly #actions: Actions;
  readonly #writer: StatusWriter;
  readonly #switchKeeper: SwitchKeeper;
  readonly #lastKnown: LastKnown;
  readonly #observer: Observer;
  readonly #pass: NodePass;
  readonly #loop: ReconcileLoop;

  #bootId: string | undefined;

  constructor(options: NodeOptions) {
    const { kv, layout, node, clock, log, random, rights, parallelism } = options;
    this.#options = options;
    const nudge = () => this.#loop.nudge();
    const prefix = layout.assignmentsOf(node);
    this.#mirror = new Mirror({ kv, prefix, epoch: () => rights.epoch, clock, log, random, onChange: nudge });
    this.#memory = new NodeMemory(clock, options.restartPolicy, random);
    this.#writer = new StatusWriter({
      ...{ kv, layout, node, clock, log, random },
      guard: () => rights.guard(),
      list: (signal) => this.#listStatuses(signal),
    });
    this.#switchKeeper = new SwitchKeeper({ deadMansSwitch: options.host.deadMansSwitch, rights, log });
    const doers = makeDoers({
      ...options,
      switchKeeper: this.#switchKeeper,
      onToken: (key, token) => {
        this.#memory.of(key).fencingToken = token;
      },
      onProgress: (key, progress) => {
        this.#memory.of(key).progress = progress;
        nudge();
      },
    });
    this.#actions = new Actions({ clock, log, memory: this.#memory, doers, parallelism, onEnd: nudge });
    this.#loop = new ReconcileLoop({
      clock,
      intervalMs: AUDIT_INTERVAL_MS,
      backoffMs: (failures) => backoffMs(failures, { firstMs: 200, maxMs: 5_000, jitter: 0.3, random }),
      pass: (signal) => this.#pass.run(signal),
      onFailure: (err, failures) => log.error({ err, failures }, 'node pass failed'),
      onPass: options.onPass,
    });
    this.#lastKnown = this.#makeLastKnown(nudge);
    this.#observer = this.#makeObserver(nudge);
    this.#pass = this.#makePass(nudge);
  }

  #makeLastKnown(onDue: () => void): LastKnown {
    const { host, clusterId, rights, offlineStartAfterMs, clock, log, random } = this.#options;
    return new LastKnown({
      stateFiles: host.stateFiles,
      identity: () => host.identity(),
      clusterId,
      epoch: () => rights.epoch,
      startAfterMs: offlineStartAfterMs,
      clock,
      log,
      random,
      onDue,
    });
  }

  #makeObserver(onLate: () => void): Observer {
    const { runtimes, clock, log } = this.#options;
    return new Observer({ runtimes, clock, log, keysInFlight: () => this.#memory.keysInFlight(), onLate });
  }

  #makePass(nudge: () => void): NodePass {
    const { kv, layout, node, clock, log, random, rights } = this.#options;
    return new NodePass({
      clock,
      rights,
      bootId: () => this.#bootId,
      switchKeeper: this.#switchKeeper,
      observer: this.#observer,
      hasOrders: () => this.#mirror.synced,
      hasOrdersOfThisEpoch: () => this.#mirror.isOfThisEpoch,
      orders: new OrderBook({ mirror: this.#mirror, layout, node, clock, log }),
      specs: new SpecReader({ kv, layout, clock, random, onRead: nudge, epoch: () => rights.epoch }),
      lastKnown: this.#lastKnown,
      memory: this.#memory,
      actions: this.#actions,
      writer: this.#writer,
      loop: this.#loop,
    });
  }

  /** Resolves once every runtime has been asked for the first time, and has answered or kept silent for some seconds. */
  get observedOnce(): Promise<void> {
    return this.#pass.observedOnce;
  }

  /** The revision of the store that the orders show; 0 until they have been read. */
  get ordersRevision(): number {
    return this.#mirror.revision;
  }

  get figures(): NodeFigures {
    return {
      phases: this.#writer.phases,
      actionsInFlight: this.#actions.size,
      passRunningForMs: this.#loop.runningForMs,
      unreadable: this.#observer.unreadable,
      hasObserved: this.#pass.hasObserved,
    };
  }

  /** False when a pass has been under way for longer than `limitMs`: then the process is of no use any more. */
  isAlive(limitMs: number): boolean {
    const { sinceMs } = this.#pass;
    return sinceMs === undefined || this.#options.clock.monotonicMs() - sinceMs < limitMs;
  }

  /** Something outside has changed (presence, the deadline): look again. */
  nudge(): void {
    this.#loop.nudge();
  }

  /** The lease was renewed, or handed over: `stop` instances may run longer. Cheap. */
  renewed(): void {
    this.#switchKeeper.renewed();
  }

  /** Presence is ours, newly or again: what the store holds of our statuses is read anew. */
  async registered(signal: AbortSignal): Promise<void> {
    this.#bootId ??= (await this.#options.host.identity()).bootId;
    const stored = await this.#listStatuses(signal);
    await this.#mirror.waitForList(signal);
    if (stored === undefined || signal.aborted) return;
    this.#writer.reset(stored);
    for (const [key, { status }] of stored) if (status !== undefined) this.#memory.inherit(key, status);
    this.#loop.nudge();
  }

  async #listStatuses(signal: AbortSignal): ReturnType<typeof listStoredStatuses> {
    const { layout, node } = this.#options;
    return listStoredStatuses({ ...this.#options, range: layout.statusesOf(node) }, signal);
  }

  /**
   * The machine goes down: starts nothing more, stops the `stop` instances; resolves once they are dead, and reported where the
   * store takes it. It's the answer to an order to stop that lets the leader start them elsewhere at once: a leader that is slow, or has
   * yet to be elected, is given some time for it, within `limitMs` for all of this.
   */
  async leave(limitMs: number, signal: AbortSignal): Promise<void> {
    this.#pass.leave();
    const { clock, rights } = this.#options;
    const orderedByMs = clock.monotonicMs() + limitMs - LAST_ANSWER_MS;
    while (!signal.aborted && !this.#pass.hasLeft) await clock.sleep(50, signal);
    const leftAtMs = clock.monotonicMs();
    const untilMs = Math.min(leftAtMs + LAST_ORDERS_MS, orderedByMs);
    const isToWait = () => {
      const nowMs = clock.monotonicMs();
      if (nowMs >= leftAtMs + LAST_REPORT_MS || !this.#pass.hasStopOrders || rights.guard() === undefined) return false;
      return !this.#writer.isSettled || (nowMs < untilMs && this.#pass.hasRunningStopOrders);
    };
    while (!signal.aborted && isToWait()) await clock.sleep(50, signal);
  }

  #noteChange(kind: RuntimeKind): void {
    this.#observer.noteChange(kind);
    this.#loop.nudge();
  }

  /** Runs until the signal aborts; leaves everything that runs as it is. */
  async run(signal: AbortSignal): Promise<void> {
    const runtimes = this.#options.runtimes.map((runtime) => ({
      name: runtime.kind,
      run: (stop: AbortSignal) => runtime.run(() => this.#noteChange(runtime.kind), stop),
    }));
    await supervise(
      [
        ...runtimes,
        { name: 'orders', run: (stop) => this.#mirror.run(stop) },
        { name: 'statuses', run: (stop) => this.#writer.run(stop) },
        { name: 'last known orders', run: (stop) => this.#lastKnown.run(stop) },
        { name: 'pass', run: (stop) => this.#loop.run(stop) },
      ],
      signal,
    );
    await this.#actions.end();
  }
}
