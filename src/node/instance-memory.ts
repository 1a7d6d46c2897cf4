import { errorCodeOf, errorText } from '../domain/errors.ts';
import type { InstanceKey } from '../domain/ids.ts';
import { runtimeOf } from '../domain/runtime-of.ts';
import type { Assignment, DisconnectMode } from '../domain/spec.ts';
import type { InstanceStatus, ObservedInstance } from '../domain/status.ts';
import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';
import type { ActionFailure } from '../loop/in-flight.ts';
import { type InstanceMemory, isAlive, isRestartedByAgent, type NodeAction } from '../plan/plan-node.ts';

/** How restarts are spaced: the first at once, then `firstMs` doubling to `maxMs`, forgotten after `resetAfterMs` of running. */
export interface RestartPolicy {
  readonly firstMs: number;
  readonly maxMs: number;
  readonly resetAfterMs: number;
  /** What failed because a daemon was away is tried again after this, doubling up to `unavailableMaxMs`: its absence is no crash. */
  readonly unavailableMs: number;
  readonly unavailableMaxMs: number;
}

export const defaultRestartPolicy: RestartPolicy = {
  firstMs: 10_000,
  maxMs: 300_000,
  resetAfterMs: 600_000,
  unavailableMs: 1_000,
  unavailableMaxMs: 15_000,
};

/** What the agent remembers of one instance; a restart of the agent forgets what its status doesn't say. */
export interface Remembered {
  action: NodeAction | undefined;
  /** The hash that a start in flight starts. */
  startingHash: string | undefined;
  lastAction: { readonly kind: string; readonly reason: string; readonly at: string } | undefined;
  progress: { readonly phase: 'pulling' | 'starting'; readonly detail?: string } | undefined;
  /** Of the last action, or why nothing could be begun. Cleared by the next success. */
  lastError: string | undefined;
  /** `MUSTER_FENCING_TOKEN` of its present run. */
  fencingToken: string | undefined;
  restarts: number;
  failures: number;
  /** In a row, because a daemon was away. */
  absences: number;
  /** The runtime's own restarts that don't count as failures any more; undefined until it has been seen. */
  forgivenRestarts: number | undefined;
  retryAtMs: number;
  /** What must end now and would not is asked again after this; see {@link URGENT_RETRY_MS}. */
  urgentRetryAtMs: number;
  /** What was last ordered of it. */
  ordered: string | undefined;
  wasAlive: boolean;
  /** The dead man's switch has fired in its present run: that it ends is not its own doing. */
  wasFenced: boolean;
}

/** What tells one order from another. */
type Ordering = Pick<Assignment, 'order' | 'spec' | 'restart' | 'launch'>;

/** Between two attempts to end what must not run any longer: no backoff, and no flood. */
const URGENT_RETRY_MS = 500;

/** The node's memory of its instances. */
export class NodeMemory {
  readonly #clock: Clock;
  readonly #policy: RestartPolicy;
  readonly #random: () => number;
  readonly #byKey = new Map<InstanceKey, Remembered>();
  /** The `stop` instances that have been started, whatever came of it, and that no look has shown as they are since. */
  readonly #unseenStarts = new Set<InstanceKey>();

  constructor(clock: Clock, policy: RestartPolicy, random: () => number) {
    this.#clock = clock;
    this.#policy = policy;
    this.#random = random;
  }

  get(key: InstanceKey): Remembered | undefined {
    return this.#byKey.get(key);
  }

  /** The entry, made on first use. */
  of(key: InstanceKey): Remembered {
    let entry = this.#byKey.get(key);
    if (entry === undefined) {
      entry = {
        action: undefined,
        startingHash: undefined,
        lastAction: undefined,
        progress: undefined,
        lastError: undefined,
        fencingToken: undefined,
        restarts: 0,
        failures: 0,
        absences: 0,
        forgivenRestarts: undefined,
        retryAtMs: 0,
        urgentRetryAtMs: 0,
        ordered: undefined,
        wasAlive: false,
        wasFenced: false,
      };
      this.#byKey.set(key, entry);
    }
    return entry;
  }

  /** What an earlier process of this node had said of it, for an instance of which nothing is known yet. */
  inherit(key: InstanceKey, status: InstanceStatus): void {
    if (this.#byKey.get(key)?.lastAction !== undefined) return;
    const entry = this.of(key);
    entry.lastAction = status.lastAction;
    entry.fencingToken = status.fencingToken;
    entry.failures = status.failures ?? 0;
    if (runtimeOf(key) === 'docker') entry.restarts = status.restarts;
  }

  /** What is ordered of an instance: another order or spec is not made to wait for the failures of the one before. */
  noteOrdered(key: InstanceKey, ordering: Ordering): void {
    const { order, spec, restart, launch } = ordering;
    const entry = this.of(key);
    const ordered = `${order} ${spec} ${restart ?? ''} ${launch ?? ''}`;
    if (entry.ordered === ordered) return;
    if (entry.ordered !== undefined) {
      entry.failures = 0;
      entry.absences = 0;
      entry.retryAtMs = 0;
      entry.lastError = undefined;
    }
    entry.ordered = ordered;
  }

  /** The instances with an action in flight. */
  keysInFlight(): InstanceKey[] {
    return [...this.#byKey].flatMap(([key, entry]) => (entry.action === undefined ? [] : [key]));
  }

  /** What a plan needs of it. */
  forPlan(keys: readonly InstanceKey[], isBusy: (key: InstanceKey) => boolean): Map<InstanceKey, InstanceMemory> {
    return new Map(
      keys.map((key) => {
        const { retryAtMs = 0, urgentRetryAtMs = 0 } = this.#byKey.get(key) ?? {};
        return [key, { busy: isBusy(key), retryAtMs, urgentRetryAtMs }];
      }),
    );
  }

  /** True while any start is in flight. */
  get isAnyStarting(): boolean {
    for (const { action } of this.#byKey.values()) if (action?.kind === 'start') return true;
    return false;
  }

  /** A `stop` instance may run that no look has shown: its start has begun, and it was not looked at since that ended. */
  get hasUnseenStarts(): boolean {
    return this.#unseenStarts.size > 0;
  }

  /** A look has been taken. `isShown`: it shows this one as it is, with no action in flight when its runtime was asked or now. */
  noteLook(isShown: (key: InstanceKey) => boolean): void {
    for (const key of this.#unseenStarts) if (isShown(key)) this.#unseenStarts.delete(key);
  }

  /** Drops what is neither ordered nor observed any more. */
  retain(isKnown: (key: InstanceKey) => boolean): void {
    for (const [key, entry] of this.#byKey) if (entry.action === undefined && !isKnown(key)) this.#byKey.delete(key);
  }

  /** An action begins; what is started in the mode `stop` is then to be looked at. */
  noteBegin(action: NodeAction, specHash: string | undefined, disconnect?: DisconnectMode): void {
    const entry = this.of(action.key);
    entry.action = action;
    entry.startingHash = specHash;
    entry.progress = undefined;
    entry.lastAction = { kind: action.kind, reason: action.reason, at: this.#clock.wallTime().toISOString() };
    if (action.kind === 'start') entry.forgivenRestarts = 0; // the runtime begins to count anew
    if (action.kind === 'start' && disconnect === 'stop') this.#unseenStarts.add(action.key);
    if (action.kind === 'start' && action.reason === 'ended') entry.restarts += 1;
  }

  /** An action has ended. Aborted ones are no failures: the desire changed. Nor are stale ones: it did, and is about to be seen. */
  noteEnd(key: InstanceKey, failure: ActionFailure | undefined): void {
    const entry = this.of(key);
    const { action } = entry;
    entry.action = undefined;
    entry.progress = undefined;
    if (failure === undefined) {
      entry.lastError = undefined;
      entry.absences = 0;
      if (action === undefined) return;
      entry.wasAlive = action.kind === 'start'; // one that was told to stop has not failed
      entry.wasFenced = false;
      return;
    }
    const { error, wasAborted } = failure;
    if (wasAborted) return;
    if (errorCodeOf(error) === 'STALE') {
      entry.retryAtMs = this.#clock.monotonicMs() + this.#policy.unavailableMs;
      return;
    }
    entry.lastError = errorText(error);
    entry.urgentRetryAtMs = this.#clock.monotonicMs() + URGENT_RETRY_MS;
    if (errorCodeOf(error) === 'UNAVAILABLE') {
      const { unavailableMs: firstMs, unavailableMaxMs: maxMs } = this.#policy;
      entry.absences += 1;
      this.#delay(entry, entry.absences, { firstMs, maxMs });
      return;
    }
    entry.failures += 1;
    this.#delay(entry, entry.failures, this.#policy);
    entry.wasAlive = false;
  }

  /** The dead man's switch has fired: what it ends has not failed, and is started again as soon as that's allowed. */
  noteFenced(key: InstanceKey): void {
    this.of(key).wasFenced = true;
  }

  /** What a pass saw of an instance that should run: its end sets when it's started again, long running forgives. */
  noteObserved(observed: ObservedInstance): void {
    const entry = this.of(observed.key);
    const { runtimeRestarts } = observed;
    // What an earlier process had counted goes on to count, within its failures; none counts twice.
    entry.forgivenRestarts = Math.min(entry.forgivenRestarts ?? runtimeRestarts, runtimeRestarts);
    if (observed.unit?.sub === 'auto-restart' && observed.error === undefined) {
      entry.forgivenRestarts = runtimeRestarts + 1; // it ended well, and starts again since that's what it's told
    }
    if (isAlive(observed)) {
      entry.wasAlive = true;
      if (observed.runningForMs < this.#policy.resetAfterMs) return;
      entry.failures = 0;
      entry.forgivenRestarts = runtimeRestarts;
      entry.retryAtMs = 0;
      return;
    }
    if (!entry.wasAlive || entry.action !== undefined) return;
    entry.wasAlive = false;
    if (entry.wasFenced || !isRestartedByAgent(observed.key, observed.disconnect)) return; // its end is nothing to wait after
    if (entry.failures > 0) this.#delay(entry, entry.failures, this.#policy);
    entry.failures += 1;
  }

  #delay(entry: Remembered, failures: number, { firstMs, maxMs }: Pick<RestartPolicy, 'firstMs' | 'maxMs'>): void {
    const delayMs = backoffMs(failures, { firstMs, maxMs, jitter: 0.1, random: this.#random });
    entry.retryAtMs = this.#clock.monotonicMs() + delayMs;
  }

  /** The soonest moment after `nowMs`, the time that was planned with, at which a delayed instance may be tried again, if there's one. */
  nextRetryAtMs(nowMs: number): number | undefined {
    let soonest: number | undefined;
    for (const { retryAtMs, urgentRetryAtMs } of this.#byKey.values()) {
      for (const atMs of [retryAtMs, urgentRetryAtMs]) {
        if (atMs > nowMs && (soonest === undefined || atMs < soonest)) soonest = atMs;
      }
    }
    return soonest;
  }
}
