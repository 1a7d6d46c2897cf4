import { isUnitName, splitInstanceKey } from '../domain/ids.ts';
import { HEALTHY_AFTER_MS, type InstanceStatus, type ObservedInstance, type Phase } from '../domain/status.ts';
import { isAlive } from '../plan/plan-node.ts';
import type { Remembered } from './instance-memory.ts';

/** Characters kept of what a daemon said. */
const ERROR_LIMIT = 1_000;

/** The order that a status answers. */
export interface AnsweredOrder {
  readonly revision: number;
  readonly spec: number;
  readonly order: 'run' | 'stop';
  readonly restart?: number;
  readonly launch?: false;
}

/** What is known of one instance in this pass. */
export interface StatusInput {
  readonly order: AnsweredOrder | undefined;
  /** What is there runs another spec than the order's: it's on its way out. */
  readonly isOutdated: boolean;
  /** It's not to run now, whatever its order: the fence, or a machine that goes down. */
  readonly mustStop: boolean;
  readonly observed: ObservedInstance | undefined;
  readonly memory: Remembered | undefined;
  /** The status as it was; `since` is kept while the phase stays. */
  readonly previous: InstanceStatus | undefined;
  /** Its runtime didn't answer, or its order can't be read: what was known stays, with this as the error. */
  readonly unreadable: string | undefined;
  /** Why the ordered spec can't be had. */
  readonly specError: string | undefined;
  /** Of the machine's present boot; undefined until it is known. */
  readonly bootId?: string | undefined;
  readonly nowIso: string;
}

/** True when it runs and, by its check or by having run for 3 s, runs well. */
export function isHealthy(observed: ObservedInstance | undefined): boolean {
  if (observed?.phase !== 'running') return false;
  return observed.health === 'none' ? observed.runningForMs >= HEALTHY_AFTER_MS : observed.health === 'healthy';
}

/** The receipt of one instance: what the runtime shows, with what was last done to it and why. */
export function makeStatus(input: StatusInput): InstanceStatus {
  const { order, observed, memory, previous, nowIso } = input;
  if (input.unreadable !== undefined) return makeUnseenStatus(input, input.unreadable);
  const phase = phaseOf(input);
  const lastError = input.specError ?? memory?.lastError ?? observed?.error;
  const progress = memory?.progress?.detail;
  return {
    assignmentRevision: order?.revision ?? 0,
    spec: order?.spec ?? previous?.spec ?? 0,
    ...(order?.restart === undefined ? {} : { restart: order.restart }),
    phase,
    ...(isLoaded(input) ? { loaded: true as const } : {}),
    healthy: phase === 'running' && isHealthy(observed),
    health: observed?.health ?? 'none',
    since: previous?.phase === phase ? previous.since : nowIso,
    restarts: (memory?.restarts ?? 0) + (observed?.runtimeRestarts ?? 0),
    ...failing(observed, memory),
    ...(observed === undefined ? {} : seen(observed)),
    ...(lastError === undefined ? {} : { lastError: lastError.slice(0, ERROR_LIMIT) }),
    ...(memory?.lastAction === undefined ? {} : { lastAction: memory.lastAction }),
    ...(memory?.fencingToken === undefined || !isAlive(observed) ? {} : { fencingToken: memory.fencingToken }),
    ...(input.bootId === undefined ? {} : { bootId: input.bootId }),
    ...(progress === undefined ? {} : { progress }),
  };
}

/**
 * Of what can't be seen nothing new is said. That it had stopped, or was well, is no answer to an order that came since: the
 * first would be taken for a receipt.
 */
function makeUnseenStatus(input: StatusInput, error: string): InstanceStatus {
  const { order, previous, nowIso } = input;
  const assignmentRevision = order?.revision ?? 0;
  const lastError = error.slice(0, ERROR_LIMIT);
  if (previous?.assignmentRevision === assignmentRevision) return { ...previous, lastError };
  const phase = unseenPhase(input);
  return {
    ...(previous ?? { health: 'none', restarts: 0 }),
    assignmentRevision,
    spec: order?.spec ?? previous?.spec ?? 0,
    ...(order?.restart === undefined ? {} : { restart: order.restart }),
    phase,
    healthy: false,
    since: previous?.phase === phase ? previous.since : nowIso,
    lastError,
  };
}

/** What is known to have run is taken to run on. */
function unseenPhase({ order, previous, observed }: StatusInput): Phase {
  const last = previous?.phase ?? observed?.phase ?? 'pending';
  const isOver = last === 'stopped' || last === 'failed' || last === 'pending';
  if (order === undefined) return isOver ? last : 'orphan';
  return isOver || last === 'orphan' ? 'pending' : last;
}

/**
 * The agent's failed attempts and the runtime's own restarts in a row. A unit that has used up its own Restart= stays down, whatever of
 * its restarts was forgiven. From systemd 254 on one that is about to be restarted is failed for a moment.
 */
function failing(observed: ObservedInstance | undefined, memory: Remembered | undefined): Partial<InstanceStatus> {
  const runtimeRestarts = observed?.runtimeRestarts ?? 0;
  const own = Math.max(0, runtimeRestarts - (memory?.forgivenRestarts ?? runtimeRestarts));
  const failures = own + (memory?.failures ?? 0);
  const isDown = observed?.phase === 'failed' && observed.unit?.sub !== 'failed-before-auto-restart';
  const gaveUp = isDown && observed.restartsItself && runtimeRestarts > 0;
  return { ...(failures > 0 ? { failures } : {}), ...(gaveUp ? { gaveUp } : {}) };
}

function seen(observed: ObservedInstance): Partial<InstanceStatus> {
  const { startedAt, finishedAt, exitCode, unit, container, pid, addresses } = observed;
  return {
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(unit === undefined ? {} : { unit }),
    ...(container === undefined ? {} : { container }),
    ...(pid === undefined ? {} : { pid }),
    ...(addresses === undefined ? {} : { addresses }),
  };
}

function phaseOf({ order, observed, memory, isOutdated, mustStop, unreadable }: StatusInput): Phase {
  const alive = observed !== undefined && observed.phase !== 'stopped' && observed.phase !== 'failed';
  if (unreadable !== undefined) return alive ? observed.phase : 'pending'; // nothing is known: least of all that it has stopped
  if (order === undefined) return alive ? 'orphan' : (observed?.phase ?? 'stopped');
  if ((memory?.action?.kind === 'start' || memory?.action?.kind === 'install') && !alive)
    return memory.progress?.phase ?? 'starting';
  if (alive && (isOutdated || memory?.action?.kind === 'stop')) return 'stopping';
  if (order.order === 'stop' || mustStop) return observed === undefined || !alive ? 'stopped' : observed.phase;
  if (observed === undefined) return memory?.lastError === undefined ? 'pending' : 'failed';
  if (!alive && memory?.lastError !== undefined) return 'failed';
  if (!isOutdated && order.launch === false) return observed.everStarted && alive ? 'stopping' : observed.phase;
  if (isOutdated || !observed.everStarted) return 'starting';
  return observed.phase === 'stopped' && isCrash(observed) ? 'failed' : observed.phase;
}

/** Installed, as its order says, and nothing is being done to it. */
function isLoaded({ order, observed, memory, isOutdated, mustStop }: StatusInput): boolean {
  if (order?.order !== 'run' || order.launch !== false || isOutdated || mustStop) return false;
  return observed !== undefined && !observed.everStarted && memory?.action === undefined;
}

/** A container that ended though it should run has failed, whatever its exit code; a unit's end is what systemd calls it. */
function isCrash(observed: ObservedInstance): boolean {
  return observed.everStarted && !isUnitName(splitInstanceKey(observed.key).workload);
}
