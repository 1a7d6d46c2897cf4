import type { InstanceKey } from '../domain/ids.ts';
import { parseInstanceKey } from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import type { Clock } from '../loop/clock.ts';
import { type ActionFailure, InFlight } from '../loop/in-flight.ts';
import type { Log } from '../loop/log.ts';
import { type DesiredInstance, isUrgent, type NodeAction, type NodeConditions } from '../plan/plan-node.ts';
import type { Doers } from './doers.ts';
import type { NodeMemory } from './instance-memory.ts';
import type { Order } from './order-book.ts';
import type { SpecReading } from './spec-reader.ts';

export interface ActionsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly memory: NodeMemory;
  readonly doers: Doers;
  /** How many begin side by side. */
  readonly parallelism: number;
  /** One has ended: look again. */
  readonly onEnd: () => void;
}

/** An action that takes longer no longer counts against the parallelism. */
const SLOW_AFTER_MS = 3_000;
/** The agent's end waits no longer for what a daemon was asked to do and hasn't answered. */
const END_LIMIT_MS = 2_000;

/** The actions of this node: begun here, remembered from their begin to their end, given up when their order changes. */
export class Actions {
  readonly #options: ActionsOptions;
  readonly #inFlight: InFlight;

  constructor(options: ActionsOptions) {
    this.#options = options;
    this.#inFlight = new InFlight({
      clock: options.clock,
      parallelism: options.parallelism,
      slowAfterMs: SLOW_AFTER_MS,
      onEnd: (key, failure) => this.#noteEnd(parseInstanceKey(key), failure),
    });
  }

  /** How many are in flight, or wait for their place. */
  get size(): number {
    return this.#inFlight.size;
  }

  /** True while an action of it is in flight, or waits for its place. */
  has(key: InstanceKey): boolean {
    return this.#inFlight.has(key);
  }

  /** Begins it, with the order and the spec as they are now. */
  begin(
    action: NodeAction,
    orders: ReadonlyMap<InstanceKey, Order>,
    readings: ReadonlyMap<InstanceKey, SpecReading>,
  ): void {
    const { log, memory, doers } = this.#options;
    const { key, kind, reason } = action;
    const reading = readings.get(key);
    const spec = reading?.kind === 'read' ? reading.spec : undefined;
    const order = orders.get(key);
    log.info({ instance: displayName(key), action: kind, reason }, 'action begins');
    memory.noteBegin(action, spec?.hash, order?.assignment.disconnect);
    const work = (signal: AbortSignal) => doers[kind]({ key, order, spec }, signal);
    if (isUrgent(action)) this.#inFlight.beginAtOnce(key, work);
    else this.#inFlight.begin(key, work);
  }

  /** A start whose order has changed is in the way of the new order; one that must not be done any more is given up. */
  abortOutdated(desired: ReadonlyMap<InstanceKey, DesiredInstance>, mustStop: NodeConditions['mustStop']): void {
    const { memory } = this.#options;
    for (const key of memory.keysInFlight()) {
      const remembered = memory.of(key);
      const want = desired.get(key);
      if (remembered.action?.kind !== 'start') continue;
      const isOrdered =
        want?.order === 'run' &&
        want.launch !== false &&
        (want.specHash === undefined || want.specHash === remembered.startingHash);
      if (!isOrdered) this.#inFlight.abort(key, new Error('the order has changed'));
      else if (mustStop === 'leaving' || (mustStop === 'fenced' && want.disconnect === 'stop'))
        this.#inFlight.abort(key, new Error(`the node is ${mustStop}`));
    }
  }

  /** Gives up all; resolves when all have ended, or soon if some don't. */
  async end(): Promise<void> {
    const { clock } = this.#options;
    this.#inFlight.abortAll(new Error('the agent stops'));
    const late = new AbortController();
    await Promise.race([this.#inFlight.drain(), clock.sleep(END_LIMIT_MS, late.signal)]);
    late.abort();
  }

  #noteEnd(key: InstanceKey, failure: ActionFailure | undefined): void {
    const { log, memory, onEnd } = this.#options;
    const action = memory.get(key)?.action;
    memory.noteEnd(key, failure);
    if (failure !== undefined && !failure.wasAborted) {
      log.warn({ instance: displayName(key), action: action?.kind, err: failure.error }, 'action failed');
    }
    onEnd();
  }
}
