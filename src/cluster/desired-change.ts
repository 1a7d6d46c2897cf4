import { AgentError } from '../domain/errors.ts';
import { isTemplateName, type Slot, type WorkloadName } from '../domain/ids.ts';
import type { Workload } from '../domain/spec.ts';
import type { Revision, Write } from '../etcd/port.ts';
import { workloadCodec } from './codecs.ts';
import type { StoreView } from './desired-read.ts';
import { checkExpected, type ExpectedSpec } from './expected-spec.ts';

/** How often a change is tried again when another one came first. */
const ATTEMPTS = 8;

/** Restarts of single instances that are kept in mind; a restart of all clears them. */
const SLOT_RESTARTS = 1_000;

/** What a change of the desired state did. */
export interface Changed {
  readonly workload: Workload;
  readonly changed: boolean;
  readonly revision: Revision;
}

/** What a change asks of what it finds. */
export interface Expecting {
  readonly expected?: ExpectedSpec | undefined;
}

/** What is desired of a workload's instances; `load`: they are placed and installed, and something else starts them. */
export type Launch = 'stop' | 'load' | 'run';

/** What a launch is in a workload's record. */
export function launchFields(desired: Launch): Pick<Workload, 'desired' | 'launch'> {
  return desired === 'load' ? { desired: 'run', launch: false } : { desired };
}

/**
 * Orders a workload to run, to be loaded or to stop. `NOT_FOUND` without one; `CONFLICT` for a start while it's being removed. `anew`:
 * what should still run of it is restarted.
 */
export function setDesired(
  store: StoreView,
  name: WorkloadName,
  { desired, anew = false, expected }: Expecting & { readonly desired: Launch; readonly anew?: boolean },
  signal: AbortSignal,
): Promise<Changed> {
  const to = (workload: Workload, revision: Revision): Workload => {
    if (workload.removing === true) {
      if (desired === 'stop') return workload;
      throw new AgentError('CONFLICT', `Cannot start "${name}": it is being removed; apply it again to keep it`);
    }
    const { desired: was, launch: had, ...others } = workload;
    const fields = launchFields(desired);
    if (was === fields.desired && had === fields.launch) return workload;
    return { ...others, ...fields, ...(anew ? { restart: nextRestart(workload, revision) } : {}) };
  };
  return changeWorkload(store, name, { to, expected }, signal);
}

/** Orders a workload to go: its instances stop, then its records are deleted. `NOT_FOUND` without one. */
export function markRemoving(
  store: StoreView,
  name: WorkloadName,
  { expected }: Expecting,
  signal: AbortSignal,
): Promise<Changed> {
  const to = (workload: Workload): Workload =>
    workload.removing === true ? workload : { ...workload, removing: true };
  return changeWorkload(store, name, { to, expected }, signal);
}

/** Orders another number of instances. `CONFLICT` for a global workload, and for one that is being removed. */
export function scaleWorkload(
  store: StoreView,
  name: WorkloadName,
  { replicas, expected }: Expecting & { readonly replicas: number },
  signal: AbortSignal,
): Promise<Changed> {
  const to = (workload: Workload): Workload => {
    const { scale } = workload;
    if (workload.removing === true)
      throw new AgentError('CONFLICT', `Cannot scale "${name}": it is being removed; apply it again to keep it`);
    if (scale.kind === 'global')
      throw new AgentError(
        'CONFLICT',
        `Cannot scale "${name}": it is global and has one instance on each node that matches`,
      );
    if (scale.replicas === replicas) return workload;
    const first = isTemplateName(name) ? 1 : 0;
    return {
      ...keepRestarts(workload, (slot) => Number(slot) < first + replicas),
      scale: { kind: 'replicas', replicas },
    };
  };
  return changeWorkload(store, name, { to, expected }, signal);
}

/** An instance that is no longer wanted starts anew anyway, should it be wanted again. */
function keepRestarts(workload: Workload, isWanted: (slot: string) => boolean): Workload {
  const { restart, ...others } = workload;
  if (restart === undefined) return workload;
  const slots = Object.fromEntries(Object.entries(restart.slots).filter(([slot]) => isWanted(slot)));
  return { ...others, restart: { ...restart, slots } };
}

/** Orders a restart of all instances, one after the other, or of one. `CONFLICT` for what isn't to run. */
export function restartWorkload(
  store: StoreView,
  name: WorkloadName,
  { slot, expected }: Expecting & { readonly slot?: Slot | undefined },
  signal: AbortSignal,
): Promise<Changed> {
  const to = (workload: Workload, revision: Revision): Workload => {
    if (workload.removing === true || workload.desired === 'stop') {
      const why = workload.removing === true ? 'is being removed' : 'is stopped';
      throw new AgentError('CONFLICT', `Cannot restart "${name}": it ${why}`);
    }
    const { all, slots = {} } = workload.restart ?? {};
    if (slot === undefined) return { ...workload, restart: nextRestart(workload, revision) };
    const number = nextRestart(workload, revision).all;
    if (Object.keys(slots).length >= SLOT_RESTARTS && slots[slot] === undefined)
      throw new AgentError(
        'LIMIT',
        `Cannot restart ${SLOT_RESTARTS} instances of "${name}" one by one: expected a restart of all`,
      );
    return { ...workload, restart: { ...(all === undefined ? {} : { all }), slots: { ...slots, [slot]: number } } };
  };
  return changeWorkload(store, name, { to, expected }, signal);
}

/** A restart of all, with a number above that of any before. */
function nextRestart({ restart }: Workload, revision: Revision) {
  const { all = 0, slots = {} } = restart ?? {};
  return { all: Math.max(revision, 1 + Math.max(0, all, ...Object.values(slots))), slots: {} };
}

interface Change extends Expecting {
  /** The same object: nothing is to be changed. */
  readonly to: (workload: Workload, revision: Revision) => Workload;
}

async function changeWorkload(
  store: StoreView,
  name: WorkloadName,
  { to, expected }: Change,
  signal: AbortSignal,
): Promise<Changed> {
  return retryLost(name, async () => {
    const { workload, modRevision, revision: readAt } = await readWorkload(store, name, signal);
    if (workload === undefined) throw new AgentError('NOT_FOUND', `Cannot find workload "${name}"`);
    checkExpected(name, workload, expected);
    const after = to(workload, readAt);
    if (after === workload) return { workload, changed: false, revision: readAt };
    const next = { ...after, changedAt: store.clock.wallTime().toISOString() };
    const writes = [{ put: store.layout.workload(name), value: workloadCodec.encode(next) }];
    const revision = await commitWorkload(store, name, { modRevision, writes }, signal);
    return revision === undefined ? undefined : { workload: next, changed: true, revision };
  });
}

/** Tries until `attempt` has a result; undefined means that another change came first. */
export async function retryLost<T>(name: WorkloadName, attempt: (nth: number) => Promise<T | undefined>): Promise<T> {
  for (let nth = 0; nth < ATTEMPTS; nth += 1) {
    const result = await attempt(nth);
    if (result !== undefined) return result;
  }
  throw new AgentError('CONFLICT', `Cannot change "${name}": others changed it ${ATTEMPTS} times meanwhile; try again`);
}

/** The record that a change is made of, if there's one. `CONFLICT` for one that can't be read. */
export async function readWorkload(store: StoreView, name: WorkloadName, signal: AbortSignal) {
  const key = store.layout.workload(name);
  const { kv, revision } = await store.kv.get(key, signal);
  if (kv === undefined) return { workload: undefined, modRevision: 0, revision };
  try {
    return { workload: workloadCodec.decode(kv.value, key), modRevision: kv.modRevision, revision };
  } catch (cause) {
    // Perhaps a later version's: overwriting it would lose what that version knows.
    throw new AgentError('CONFLICT', `Cannot change "${name}": expected to understand its record`, { cause });
  }
}

/** The revision of the commit; undefined when the record was no longer what was read. */
export async function commitWorkload(
  { kv, layout }: StoreView,
  name: WorkloadName,
  change: { readonly modRevision: Revision; readonly writes: readonly Write[] },
  signal: AbortSignal,
): Promise<Revision | undefined> {
  const compares = [{ key: layout.workload(name), modRevision: change.modRevision }];
  const { applied, revision } = await kv.commit({ compares, writes: change.writes }, signal);
  return applied ? revision : undefined;
}
