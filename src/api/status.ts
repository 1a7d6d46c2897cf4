import { holdCodec } from '../cluster/codecs.ts';
import { readState } from '../cluster/desired-read.ts';
import type { DesiredState, NodeEntry } from '../cluster/desired-state.ts';
import { AgentError, errorCodeOf, errorText } from '../domain/errors.ts';
import { activeHold, clockText, heldText } from '../domain/hold.ts';
import type { NodeId } from '../domain/ids.ts';
import type { Hold, NodeSettings, NodeVerdict } from '../domain/node.ts';
import type { NodeRow, NodeStateAnswer } from '../wire/answers.ts';
import type {
  ClusterStatus,
  HoldStatus,
  NodeStatus,
  ReleaseHoldAnswer,
  StatusAnswer,
  StoreState,
} from '../wire/status-answers.ts';
import type { ApiDeps } from './api-deps.ts';
import { nodeRef, readRows } from './copy-rows.ts';
import { summarizeWorkload } from './summary.ts';

/** `GET /v1/status`: also while etcd is away, or the node has not joined. */
export async function getStatus(deps: ApiDeps, node: NodeStateAnswer, signal: AbortSignal): Promise<StatusAnswer> {
  const etcd = await readStoreState(deps, signal);
  const { store } = deps.node.state();
  const base = { id: deps.cluster, node, etcd, ...(store === undefined ? {} : { store }) };
  if (!etcd.answers) return base;
  const parts = ['nodes', 'workloads', 'instances', 'assignments', 'statuses', 'election'] as const;
  const { state } = await readState(deps.store, parts, signal);
  return { ...base, cluster: clusterStatus(state, deps.clock.wallTime().toISOString()) };
}

/** `POST /v1/cluster/release-hold`: what is left of the nodes that are held is healed from here on. */
export async function releaseHold({ store, clock, log }: ApiDeps, signal: AbortSignal): Promise<ReleaseHoldAnswer> {
  const key = store.layout.hold('mass-loss');
  for (;;) {
    const { kv } = await store.kv.get(key, signal);
    const hold = kv === undefined ? undefined : activeHold(holdCodec.decode(kv.value, key));
    if (kv === undefined || hold === undefined)
      throw new AgentError('NOT_FOUND', 'Cannot release a hold: nothing is held');
    const ended = { at: clock.wallTime().toISOString(), reason: 'released by an operator' };
    const txn = {
      compares: [{ key, modRevision: kv.modRevision }],
      writes: [{ put: key, value: holdCodec.encode({ ...hold, ended }) }],
    };
    if (!(await store.kv.commit(txn, signal)).applied) continue; // the leader has just extended or ended it
    log.warn({ nodes: hold.nodes, reason: hold.reason }, 'hold released by an operator');
    const { state } = await readState(store, ['nodes'], signal);
    return { released: [holdStatus(state, hold)] };
  }
}

async function readStoreState({ store, clock }: ApiDeps, signal: AbortSignal): Promise<StoreState> {
  const beganMs = clock.monotonicMs();
  try {
    const identity = await store.kv.identity(signal);
    return { answers: true, tookMs: Math.round(clock.monotonicMs() - beganMs), ...identity };
  } catch (error) {
    if (signal.aborted || errorCodeOf(error) !== 'UNAVAILABLE') throw error;
    return { answers: false, reason: errorText(error) };
  }
}

function clusterStatus(state: DesiredState, nowIso: string): ClusterStatus {
  const { leader, settings } = state;
  const hold = activeHold(state.hold);
  const nodes = { up: 0, leaving: 0, away: 0, 'in-doubt': 0, lost: 0 };
  const unusual: NodeStatus[] = [];
  for (const [id, entry] of state.nodes) {
    if (entry.record === undefined) continue;
    const status = nodeStatus(state, id, entry, nowIso);
    nodes[status.state] += 1;
    if (status.state !== 'up' || status.why !== undefined) unusual.push(status);
  }
  return {
    ...(leader === undefined ? {} : { leader: nodeRef(state, leader.node), term: leader.term }),
    ...(settings === undefined ? {} : { ttlMs: settings.ttlMs }),
    nodes,
    unusual: unusual.sort((a, b) => (a.node.hostname < b.node.hostname ? -1 : 1)),
    holds: hold === undefined ? [] : [holdStatus(state, hold)],
    ...workStatus(state),
    problems: state.problems,
  };
}

function nodeStatus(state: DesiredState, id: NodeId, entry: NodeEntry, nowIso: string): NodeStatus {
  const { presence, settings, verdict } = entry;
  const nodeState: NodeRow['state'] = presence?.state ?? 'lost';
  const lostSince = presence === undefined ? verdict?.lostSince : undefined;
  const isCalm = presence !== undefined && verdict?.calmUntil !== undefined && verdict.calmUntil > nowIso;
  const reasons = [
    presence?.doubt ?? (presence?.state === 'in-doubt' ? 'it does not trust the store' : undefined),
    presence === undefined || presence.state === 'leaving' ? heldText(state.hold, id) : undefined,
    settings?.draining === true ? drainText(settings, verdict) : undefined,
    settings?.cordoned === true && settings.draining !== true ? 'cordoned: it gets no new work' : undefined,
    settings?.removal === undefined ? undefined : 'being removed: it is forgotten once nothing needs it',
    isCalm ? `lost ${verdict.flaps ?? 1} times of late, gets new work from ${clockText(verdict.calmUntil)}` : undefined,
  ];
  const why = reasons.filter((reason) => reason !== undefined).join('; ');
  return {
    node: nodeRef(state, id),
    state: nodeState,
    ...(lostSince === undefined ? {} : { lostSince }),
    ...(why === '' ? {} : { why }),
  };
}

function drainText({ drain }: NodeSettings, verdict: NodeVerdict | undefined): string {
  if (verdict?.drainedSince !== undefined) return `drained since ${clockText(verdict.drainedSince)}: it gets no work`;
  return drain?.deadline === undefined ? 'being drained' : `being drained, by ${clockText(drain.deadline)}`;
}

function holdStatus(state: DesiredState, { kind, since, until, reason, nodes }: Hold): HoldStatus {
  return { kind, since, until, reason, nodes: nodes.map((id) => nodeRef(state, id)) };
}

function workStatus(state: DesiredState): Pick<ClusterStatus, 'workloads' | 'instances' | 'short'> {
  const summaries = state.names().flatMap((workload) => {
    const known = state.workloads.get(workload)?.value;
    return known === undefined ? [] : [{ workload, summary: summarizeWorkload(known, readRows(state, workload)) }];
  });
  const short = summaries.filter(({ summary }) => !summary.converged);
  const total = (of: 'wanted' | 'healthy') => summaries.reduce((sum, { summary }) => sum + summary[of], 0);
  return {
    workloads: { known: summaries.length, asDesired: summaries.length - short.length },
    instances: { wanted: total('wanted'), healthy: total('healthy') },
    short,
  };
}
