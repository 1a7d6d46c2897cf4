import type { InstanceKey } from '../domain/ids.ts';
import { isSameSpec } from '../domain/run-hash.ts';
import { runtimeOf } from '../domain/runtime-of.ts';
import type { DisconnectMode, RuntimeKind } from '../domain/spec.ts';
import type { ObservedInstance } from '../domain/status.ts';

/** What this node is ordered to do with one instance. */
export interface DesiredInstance {
  readonly key: InstanceKey;
  readonly order: 'run' | 'stop';
  readonly disconnect: DisconnectMode;
  /** With the order `run`: it's only to be installed. */
  readonly launch?: false;
  /** Of the spec and its ordered restart. Undefined until the spec has been read: then nothing is begun. */
  readonly specHash: string | undefined;
  /**
   * Known from the disk alone, while the store doesn't answer: it may start, and nothing that is there is changed for it. `due`: this
   * agent has begun nothing of it yet; `begun`: it has.
   */
  readonly offlineStart?: 'due' | 'begun';
}

/** What the node remembers of an instance between passes. */
export interface InstanceMemory {
  /** An action is in flight. */
  readonly busy: boolean;
  /** Monotonic: not before this time is it started, stopped or removed again. */
  readonly retryAtMs: number;
  /** Monotonic: not before this time is what must end at once asked again. */
  readonly urgentRetryAtMs: number;
}

/** What holds for the node as a whole. */
export interface NodeConditions {
  /** False while no order may be acted on, and from `leaving` on: nothing is started, stopped by order or removed. */
  readonly accepting: boolean;
  /** Whether all orders are known: while they aren't, that one is missing means nothing. */
  readonly ordersKnown: boolean;
  /** `stop` instances may start only where this holds: presence is ours and its deadline hasn't come. */
  readonly maySafelyRun: boolean;
  /** `stop` instances must end: the deadline is near, or the machine shuts down. Why, or undefined. */
  readonly mustStop: 'fenced' | 'leaving' | undefined;
  /** Runtimes that answered in this pass; of the others nothing is known. */
  readonly readable: ReadonlySet<RuntimeKind>;
}

export type NodeAction =
  | { readonly kind: 'install'; readonly key: InstanceKey; readonly reason: 'assigned-here' }
  | { readonly kind: 'start'; readonly key: InstanceKey; readonly reason: 'assigned-here' | 'ended' | 'offline-start' }
  | {
      readonly kind: 'stop';
      readonly key: InstanceKey;
      readonly reason: 'ordered' | 'spec-changed' | 'restart-ordered' | 'fenced' | 'leaving';
    }
  | {
      readonly kind: 'remove';
      readonly key: InstanceKey;
      readonly reason: 'spec-changed' | 'restart-ordered' | 'no-assignment';
    };

/** The inputs of one plan. */
export interface NodeView {
  readonly desired: ReadonlyMap<InstanceKey, DesiredInstance>;
  readonly observed: ReadonlyMap<InstanceKey, ObservedInstance>;
  readonly memory: ReadonlyMap<InstanceKey, InstanceMemory>;
  readonly conditions: NodeConditions;
}

/**
 * What this node should begin next: at most one action per instance, in key order; a busy instance gets nothing. What runs
 * without an assignment is never stopped (it's an orphan, reported as such); only what has ended is removed.
 */
export function planNode(view: NodeView, nowMs: number): NodeAction[] {
  const keys = [...new Set([...view.desired.keys(), ...view.observed.keys()])].sort();
  return keys.flatMap((key) => {
    const memory = view.memory.get(key);
    if (memory?.busy === true || !view.conditions.readable.has(runtimeOf(key))) return [];
    const action = planInstance(key, view.desired.get(key), view.observed.get(key), view.conditions);
    if (action === undefined) return [];
    const notBeforeMs = isUrgent(action) ? memory?.urgentRetryAtMs : memory?.retryAtMs;
    return nowMs < (notBeforeMs ?? 0) ? [] : [action];
  });
}

/** It has a deadline: it waits neither for its turn nor for a backoff. */
export function isUrgent(action: NodeAction): boolean {
  return action.kind === 'stop' && (action.reason === 'fenced' || action.reason === 'leaving');
}

/** True while any process of it may run. */
export function isAlive(observed: ObservedInstance | undefined): boolean {
  return (
    observed !== undefined &&
    (observed.phase === 'starting' || observed.phase === 'running' || observed.phase === 'stopping')
  );
}

/** A `keep` unit's end is systemd's business (its own Restart=); everything else is restarted by the agent. */
export function isRestartedByAgent(key: InstanceKey, disconnect: DisconnectMode): boolean {
  return runtimeOf(key) === 'docker' || disconnect === 'stop';
}

function planInstance(
  key: InstanceKey,
  desired: DesiredInstance | undefined,
  observed: ObservedInstance | undefined,
  conditions: NodeConditions,
): NodeAction | undefined {
  const disconnect = desired?.disconnect ?? observed?.disconnect;
  if (disconnect === 'stop' && conditions.mustStop !== undefined) {
    return isAlive(observed) ? { kind: 'stop', key, reason: conditions.mustStop } : undefined;
  }
  if (!conditions.accepting) return undefined;
  if (desired === undefined) {
    if (!conditions.ordersKnown || isAlive(observed)) return undefined;
    return { kind: 'remove', key, reason: 'no-assignment' };
  }
  if (desired.offlineStart !== undefined && observed !== undefined && isOther(desired, observed)) return undefined; // what is there may be newer than what the disk says
  if (desired.order === 'stop') return isAlive(observed) ? { kind: 'stop', key, reason: 'ordered' } : undefined;
  return planRun(desired, observed, conditions);
}

function planRun(
  desired: DesiredInstance,
  observed: ObservedInstance | undefined,
  conditions: NodeConditions,
): NodeAction | undefined {
  const { key, disconnect, specHash } = desired;
  if (specHash === undefined) return undefined;
  const mayStart = disconnect === 'keep' || conditions.maySafelyRun;
  const reason = desired.offlineStart === 'due' ? 'offline-start' : undefined;
  if (observed === undefined && desired.launch === false) return { kind: 'install', key, reason: 'assigned-here' };
  if (observed === undefined) return mayStart ? { kind: 'start', key, reason: reason ?? 'assigned-here' } : undefined;
  if (isOther(desired, observed)) {
    const isRestart = observed.disconnect === disconnect && isSameSpec(observed.specHash, specHash);
    const why = isRestart ? 'restart-ordered' : 'spec-changed';
    return { kind: isAlive(observed) ? 'stop' : 'remove', key, reason: why };
  }
  if (desired.launch === false) return planLoaded(observed);
  if (!mayStart || (isAlive(observed) && (observed.everStarted || observed.phase === 'stopping'))) return undefined;
  if (!observed.everStarted) return { kind: 'start', key, reason: reason ?? 'assigned-here' };
  return isRestartedByAgent(key, disconnect) ? { kind: 'start', key, reason: reason ?? 'ended' } : undefined;
}

/** What we have started ends, and is then as it was when it was installed; what others have started of it runs on. */
function planLoaded({ key, everStarted, phase }: ObservedInstance): NodeAction | undefined {
  if (!everStarted) return undefined;
  const alive = phase !== 'stopped' && phase !== 'failed';
  return alive ? { kind: 'stop', key, reason: 'ordered' } : { kind: 'install', key, reason: 'assigned-here' };
}

/** What is there is of another spec, or of another mode: that lives in another control group, so it takes a restart too. */
function isOther(desired: DesiredInstance, observed: ObservedInstance): boolean {
  return observed.specHash !== desired.specHash || observed.disconnect !== desired.disconnect;
}
