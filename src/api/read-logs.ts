import { copiesOf, readInstanceState, readWorkloadState } from '../cluster/desired-read.ts';
import type { DesiredState } from '../cluster/desired-state.ts';
import { watchWorkloadState } from '../cluster/desired-watch.ts';
import { AgentError, errorCodeOf } from '../domain/errors.ts';
import { type InstanceKey, type NodeId, splitInstanceKey, type WorkloadName } from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import type { LogOptions } from '../runtime/port.ts';
import type { ApiDeps } from './api-deps.ts';
import type { Caller } from './caller.ts';
import { LogFollow } from './logs-follow.ts';
import { mergeByTime } from './logs-merge.ts';
import { type LogPlace, readLocal, readRemote } from './logs-source.ts';
import { encodeNotice, type LogBatch, noticeOf } from './logs-text.ts';

/** A workload with so many copies is asked for by instance. */
const MAX_PLACES = 200;
/** The store was away when a follower began: it's asked again after this. */
const STORE_RETRY_MS = 2_000;

/** Whose logs: an instance's, or those of all of a workload. */
export type LogTarget = { readonly key: InstanceKey } | { readonly workload: WorkloadName };

interface LogRequest {
  readonly target: LogTarget;
  readonly options: LogOptions;
  readonly caller: Caller;
}

type Batches = AsyncIterable<LogBatch>;

/**
 * Lines of an instance or of a workload, wherever its copies are, by time. What can't be read is said in a notice; where nothing else
 * was asked for, it's the answer. While the store can't be asked, this node's own lines are all there is, and are given.
 */
export async function openLogs(deps: ApiDeps, request: LogRequest, signal: AbortSignal): Promise<Batches> {
  const { target, options, caller } = request;
  const state = await readPlace(deps, target, signal);
  const open = (place: LogPlace, of: LogOptions, during: AbortSignal) =>
    place.node === deps.node.id ? readLocal(deps, place.key, of, during) : readRemote(deps, place, of, caller, during);
  if (state === undefined) return readHere(deps, target, options, signal);
  // An orphan, or nothing: this node's runtime knows.
  if ('key' in target && !isKnown(state, target.key)) return readLocal(deps, target.key, options, signal);
  const { places, pending } = findPlaces(deps, state, target);
  refuseNowhere(target, places, pending, state);
  if (options.follow) {
    const watch = (sync: (now: readonly LogPlace[] | 'gone') => void, during: AbortSignal) =>
      watchPlaces(deps, target, sync, during);
    return new LogFollow({ clock: deps.clock, open, watch }, options).read(places, signal);
  }
  const [only] = places;
  if (only !== undefined && places.length === 1 && pending.length === 0) return open(only, options, signal);
  const told = pending.map((text) =>
    encodeNotice({ at: deps.clock.wallTime().toISOString(), kind: 'notice', text, code: 'CONFLICT' }),
  );
  const sources = places.map((place) => orNotice(deps, place, open(place, options, signal), signal));
  return startingWith(told, mergeByTime(sources));
}

async function* startingWith(first: readonly LogBatch[], rest: Batches): AsyncGenerator<LogBatch> {
  yield* first;
  yield* rest;
}

/** The lines of this node alone: of an instance that the store can't be asked about. */
function readHere(deps: ApiDeps, target: LogTarget, options: LogOptions, signal: AbortSignal): Batches {
  if ('key' in target) return readLocal(deps, target.key, options, signal);
  const message = `Cannot find the instances of "${target.workload}": expected the store to answer; name one that is on this node`;
  throw new AgentError('UNAVAILABLE', message);
}

/** The others' lines go on, whatever becomes of these. */
async function* orNotice(
  { clock }: ApiDeps,
  { key, hostname }: LogPlace,
  lines: Batches,
  signal: AbortSignal,
): AsyncGenerator<LogBatch> {
  try {
    yield* lines;
  } catch (error) {
    signal.throwIfAborted();
    yield noticeOf(error, clock.wallTime().toISOString(), { instance: displayName(key), node: hostname });
  }
}

/** `undefined` while the store can't be asked. */
async function readPlace(deps: ApiDeps, target: LogTarget, signal: AbortSignal): Promise<DesiredState | undefined> {
  if (!deps.node.state().joined) return undefined;
  try {
    if ('key' in target) return await readInstanceState(deps.store, target.key, signal);
    return (await readWorkloadState(deps.store, [target.workload], signal)).state;
  } catch (error) {
    if (errorCodeOf(error) !== 'UNAVAILABLE') throw error;
    return undefined;
  }
}

interface Found {
  readonly places: readonly LogPlace[];
  /** Of instances that are nowhere: why. */
  readonly pending: readonly string[];
}

function isKnown(state: DesiredState, key: InstanceKey): boolean {
  const { workload } = splitInstanceKey(key);
  return state.instancesOf(workload).has(key) || state.copiesOf(workload).has(key);
}

/** Where the copies are; for an instance without one, where it was last. */
function findPlaces(deps: ApiDeps, state: DesiredState, target: LogTarget): Found {
  const workload = 'key' in target ? splitInstanceKey(target.key).workload : target.workload;
  const records = state.instancesOf(workload);
  const keys = 'key' in target ? [target.key] : [...records.keys()].sort();
  const places: LogPlace[] = [];
  const pending: string[] = [];
  for (const key of keys) {
    const record = records.get(key);
    const nodes = copiesOf(state, workload)
      .filter((copy) => copy.key === key)
      .map(({ node }) => node);
    const last = record?.lastNode;
    const there = nodes.length > 0 ? [...new Set(nodes)] : last === undefined ? [] : [last];
    for (const node of there) places.push(describePlace(deps, state, key, node, nodes.length > 0));
    if (there.length === 0 && record?.pending !== undefined) {
      pending.push(`Cannot read the logs of "${displayName(key)}": it is pending: ${record.pending.reason}`);
    }
  }
  return { places, pending };
}

function describePlace(deps: ApiDeps, state: DesiredState, key: InstanceKey, node: NodeId, isThere: boolean): LogPlace {
  const record = state.nodes.get(node)?.record;
  const hostname = node === deps.node.id ? deps.node.hostname : (record?.hostname ?? node.slice(0, 8));
  return { key, node, hostname, isThere, described: record === undefined ? node : `${hostname} (${record.advertise})` };
}

function refuseNowhere(
  target: LogTarget,
  places: readonly LogPlace[],
  pending: readonly string[],
  state: DesiredState,
): void {
  if (places.length > MAX_PLACES) {
    const message = `Cannot read ${places.length} logs at once: expected at most ${MAX_PLACES}; name an instance`;
    throw new AgentError('LIMIT', message);
  }
  if (places.length > 0) return;
  if (pending[0] !== undefined) throw new AgentError('CONFLICT', pending.join('\n'));
  if ('key' in target || state.workloads.get(target.workload) === undefined) {
    const name = 'key' in target ? displayName(target.key) : target.workload;
    throw new AgentError('NOT_FOUND', `Cannot read the logs of "${name}": there is no such workload or instance`);
  }
  throw new AgentError('CONFLICT', `Cannot read the logs of "${target.workload}": it has no instances yet`);
}

/** Tells of the copies until the signal aborts, also through times without the store. */
async function watchPlaces(
  deps: ApiDeps,
  target: LogTarget,
  sync: (now: readonly LogPlace[] | 'gone') => void,
  signal: AbortSignal,
): Promise<void> {
  const workload = 'key' in target ? splitInstanceKey(target.key).workload : target.workload;
  let wasThere = false;
  const onChange = (state: DesiredState) => {
    const { places } = findPlaces(deps, state, target);
    const isRecorded = 'key' in target ? state.instancesOf(workload).has(target.key) : state.workloads.has(workload);
    wasThere ||= isRecorded;
    if (isRecorded || places.some(({ isThere }) => isThere) || !wasThere) sync(places.slice(0, MAX_PLACES));
    else sync('gone');
  };
  while (!signal.aborted) {
    try {
      await watchWorkloadState(deps.store, new Set([workload]), onChange, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (errorCodeOf(error) !== 'UNAVAILABLE') throw error;
    }
    await deps.clock.sleep(STORE_RETRY_MS, signal);
  }
}
