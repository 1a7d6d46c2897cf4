import { readState, readWorkloadState } from '../cluster/desired-read.ts';
import type { DesiredState } from '../cluster/desired-state.ts';
import { type EventSink, followEvents } from '../cluster/events-follow.ts';
import { AgentError } from '../domain/errors.ts';
import type { ClusterEvent } from '../domain/event.ts';
import type { InstanceKey, NodeId, WorkloadName } from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import type { Move } from '../domain/spec.ts';
import type { HistoryAnswer, HistoryEntry } from '../wire/event-answers.ts';
import type { ApiDeps } from './api-deps.ts';
import { nodeRef } from './copy-rows.ts';
import { isWanted } from './events-query.ts';
import { makeHeavyWork } from './heavy-work.ts';
import { type Filter, nodeLabels } from './listing-filter.ts';

/** The last so many entries are told. */
const ENTRIES_LIMIT = 2_000;

/** Whose history is asked for, and what of it. */
export interface HistoryWish {
  readonly name: WorkloadName;
  readonly filter: Filter;
}

/** `GET /v1/workloads/:name/history`: each instance's own record of its moves, and around it what the store's history still tells. */
export async function getHistory(deps: ApiDeps, wish: HistoryWish, signal: AbortSignal): Promise<HistoryAnswer> {
  const { histories } = deps.heavy ?? makeHeavyWork();
  return histories.take(async () => readHistory(deps, wish, signal), signal);
}

async function readHistory(deps: ApiDeps, { name, filter }: HistoryWish, signal: AbortSignal): Promise<HistoryAnswer> {
  const [{ state }, { state: nodes }, events] = await Promise.all([
    readWorkloadState(deps.store, [name], signal),
    readState(deps.store, ['nodes'], signal),
    readEvents(deps, { name, filter }, signal),
  ]);
  const recorded = [...state.instancesOf(name)].flatMap(([key, { moves }]) =>
    moves.map((move) => moveEntry(nodes, key, move)),
  );
  const entries = [...recorded, ...events.mine.flatMap((event) => eventEntry(event, recorded) ?? [])];
  if (entries.length === 0 && !events.areAny && !state.workloads.has(name)) {
    throw new AgentError('NOT_FOUND', `Cannot find workload "${name}", nor anything of it in the history that is kept`);
  }
  const hasLabels = labelFilter(nodes, state.workloads.get(name)?.value.labels ?? {}, filter);
  const wanted = entries.filter((entry) => isWanted({ ...entry, type: `instance.${entry.what}` }, filter));
  return {
    name,
    entries: wanted
      .filter(hasLabels)
      .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
      .slice(-ENTRIES_LIMIT),
    ...(events.firstAt === undefined ? {} : { completeFrom: events.firstAt }),
    problems: state.problems,
  };
}

/** The workload's own events that are wanted, the last of them where there are very many; and when the first of all events was. */
async function readEvents({ store }: ApiDeps, { name, filter }: HistoryWish, signal: AbortSignal) {
  const mine: ClusterEvent[] = [];
  let firstAt: string | undefined;
  let areAny = false;
  const sink: EventSink = {
    take: (events) => {
      for (const event of events) {
        firstAt ??= event.at;
        if (event.workload !== name || event.instance === undefined) continue;
        areAny = true;
        if (!isWanted(event, filter)) continue;
        mine.push(event);
        if (mine.length > 2 * ENTRIES_LIMIT) mine.splice(0, ENTRIES_LIMIT);
      }
      return true;
    },
    untilRoom: () => Promise.resolve(),
  };
  await followEvents(store, { start: 'oldest', follow: false, withoutLeaders: true }, sink, signal);
  return { mine, firstAt, areAny };
}

/** By labels as they are now: the workload's, or those of a node that an entry is about. */
function labelFilter(state: DesiredState, own: Readonly<Record<string, string>>, { labels }: Filter) {
  return ({ node, from, to }: HistoryEntry): boolean => {
    if (labels.length === 0) return true;
    const there = [node, from, to].flatMap((each) => (each === undefined ? [] : [nodeLabels(state, each.id)]));
    return labels.every(([key, value]) => [own, ...there].some((set) => set[key] === value));
  };
}

function moveEntry(state: DesiredState, key: InstanceKey, { at, from, to, reason }: Move): HistoryEntry {
  const ref = (id: NodeId) => nodeRef(state, id);
  return {
    at,
    instance: key,
    display: displayName(key),
    what: from === undefined ? 'placed' : to === undefined ? 'left' : 'moved',
    ...(from === undefined ? {} : { from: ref(from) }),
    ...(to === undefined ? {} : { to: ref(to) }),
    why: reason,
  };
}

/** Undefined for a move that the instance's own record has too. */
function eventEntry(event: ClusterEvent, recorded: readonly HistoryEntry[]): HistoryEntry | undefined {
  const { at, atIsAbout, instance, type, from, to, node, reason } = event;
  if (instance === undefined) return undefined;
  const what = type.slice(type.indexOf('.') + 1);
  const isRecorded = recorded.some((entry) => {
    return entry.instance === instance && entry.what === what && entry.at === at && entry.to?.id === to?.id;
  });
  if (isRecorded) return undefined;
  return {
    at,
    ...(atIsAbout === undefined ? {} : { atIsAbout }),
    instance,
    display: displayName(instance),
    what,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(node === undefined ? {} : { node }),
    ...(reason === undefined ? {} : { why: reason }),
  };
}
