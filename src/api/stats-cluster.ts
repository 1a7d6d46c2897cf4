import { readState } from '../cluster/desired-read.ts';
import type { DesiredState } from '../cluster/desired-state.ts';
import { AgentError, errorText } from '../domain/errors.ts';
import type { InstanceKey, NodeId } from '../domain/ids.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { NodeRef } from '../wire/answers.ts';
import { parseProblem } from '../wire/problem.ts';
import type { NodeStatsAnswer, SilentNode, StatsAnswer } from '../wire/stats-answers.ts';
import type { ApiDeps } from './api-deps.ts';
import type { Caller } from './caller.ts';
import { readRows } from './copy-rows.ts';
import { makeHeavyWork } from './heavy-work.ts';
import { copyFilter, type Filter, hostFilter, isEmptyFilter } from './listing-filter.ts';
import { everything } from './listings.ts';
import { getNodeStats } from './stats-node.ts';

/** So many nodes are asked at once. */
const AT_ONCE = 16;
/** A node that takes longer is shown without figures. */
const NODE_LIMIT_MS = 3_000;

/**
 * What present nodes and their instances use: each node is asked, a few at a time; those that don't answer are named. Narrowed, it's
 * the instances that are wanted, and the nodes that are wanted for themselves or for one of these; no other node is asked.
 */
export async function getStats(deps: ApiDeps, wish: StatsWish, signal: AbortSignal): Promise<StatsAnswer> {
  const { stats } = deps.heavy ?? makeHeavyWork();
  return stats.take(async () => askNodes(deps, wish, signal), signal);
}

/** Who asks for figures, and of what. */
export interface StatsWish {
  readonly caller: Caller;
  readonly filter: Filter;
}

async function askNodes(deps: ApiDeps, { caller, filter }: StatsWish, signal: AbortSignal): Promise<StatsAnswer> {
  const { state } = await readState(deps.store, everything, signal);
  const all = state.names().flatMap((name) => readRows(state, name).map(({ row }) => row));
  const rows = all.filter(copyFilter(state, filter));
  const isNodeWanted = hostFilter(state, filter, rows);
  const nodes = presentNodes(state)
    .filter(({ id }) => isNodeWanted(id))
    .sort((a, b) => (a.hostname < b.hostname ? -1 : 1));
  const answers: (NodeStatsAnswer | SilentNode)[] = [];
  let next = 0;
  const work = async () => {
    for (let at = next++; at < nodes.length; at = next++) {
      const node = nodes[at];
      if (node !== undefined) answers[at] = await askOrName(deps, node, caller, signal);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const keys = isEmptyFilter(filter) ? undefined : new Set(rows.map(({ key }) => key));
  return { nodes: keys === undefined ? answers : answers.map(onlyOf(keys)), rows, problems: state.problems };
}

/** What a node says of instances that are not wanted is left out. */
function onlyOf(keys: ReadonlySet<InstanceKey>) {
  return (answer: NodeStatsAnswer | SilentNode): NodeStatsAnswer | SilentNode =>
    'problem' in answer ? answer : { ...answer, instances: answer.instances.filter(({ key }) => keys.has(key)) };
}

function presentNodes(state: DesiredState): NodeRef[] {
  return [...state.nodes].flatMap(([id, { record }]) =>
    record === undefined || state.isLost(id) ? [] : [{ id, hostname: record.hostname }],
  );
}

async function askOrName(
  deps: ApiDeps,
  node: NodeRef,
  caller: Caller,
  signal: AbortSignal,
): Promise<NodeStatsAnswer | SilentNode> {
  using limit = new ChildAbort(signal);
  const late = () => limit.abort(new AgentError('UNAVAILABLE', `Cannot get figures within ${NODE_LIMIT_MS} ms`));
  const cancel = deps.clock.after(NODE_LIMIT_MS, late);
  try {
    return node.id === deps.node.id
      ? await getNodeStats(deps, limit.signal)
      : await ask(deps, node.id, caller, limit.signal);
  } catch (error) {
    signal.throwIfAborted();
    return { node, problem: errorText(error) };
  } finally {
    cancel();
  }
}

async function ask({ peers }: ApiDeps, node: NodeId, caller: Caller, signal: AbortSignal): Promise<NodeStatsAnswer> {
  if (peers === undefined)
    throw new AgentError(
      'UNAVAILABLE',
      'Cannot ask other nodes: expected this one to have an API over TCP (api.listen)',
    );
  const response = await peers.fetch(node, { method: 'GET', path: '/v1/node/stats', onBehalfOf: caller }, signal);
  const body: unknown = await response.json();
  if (response.status !== 200) throw parseProblem(body, response.status);
  return body as NodeStatsAnswer;
}
