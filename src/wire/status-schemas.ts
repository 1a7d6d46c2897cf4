import * as v from 'valibot';
import { nodeRef, nodeState, nodeStateAnswer, workloadName, workloadSummary } from './answer-schemas.ts';
import { amount, count, flag, list, oneOf, optional, shape, text, texts, time } from './answer-shape.ts';
import type { HealthAnswer, ReadyAnswer, ReadyCheck } from './health-answers.ts';
import type {
  ClusterStatus,
  HoldStatus,
  NodeStatus,
  ReleaseHoldAnswer,
  StatusAnswer,
  StoreDoubtsAnswer,
  StoreHealthState,
  StoreState,
} from './status-answers.ts';

/** Schemas of what says how the cluster and the agent do. */

type Answers = Extract<StoreState, { answers: true }>;
type Silent = Extract<StoreState, { answers: false }>;

const storeState: v.GenericSchema<StoreState> = v.union([
  shape<Answers>({ answers: v.literal(true), tookMs: count, clusterId: text, raftTerm: count, revision: count }),
  shape<Silent>({ answers: v.literal(false), reason: text }),
]);

const storeHealth = shape<StoreHealthState>({
  state: oneOf('unknown', 'good', 'unavailable', 'refusing', 'full', 'slow', 'in-doubt'),
  since: time,
  lastError: optional(text),
  text,
});

const nodeStatus = shape<NodeStatus>({
  node: nodeRef,
  state: nodeState,
  lostSince: optional(time),
  why: optional(text),
});

const holdStatus = shape<HoldStatus>({
  kind: oneOf('mass-loss'),
  since: time,
  until: time,
  reason: text,
  nodes: list(nodeRef),
});

const clusterStatus = shape<ClusterStatus>({
  leader: optional(nodeRef),
  term: optional(count),
  ttlMs: optional(count),
  nodes: shape<ClusterStatus['nodes']>({ up: count, leaving: count, away: count, 'in-doubt': count, lost: count }),
  unusual: list(nodeStatus),
  holds: list(holdStatus),
  workloads: shape<ClusterStatus['workloads']>({ known: count, asDesired: count }),
  instances: shape<ClusterStatus['instances']>({ wanted: count, healthy: count }),
  short: list(shape<ClusterStatus['short'][number]>({ workload: workloadName, summary: workloadSummary })),
  problems: texts,
});

export const statusAnswer = shape<StatusAnswer>({
  id: text,
  node: nodeStateAnswer,
  etcd: storeState,
  store: optional(storeHealth),
  cluster: optional(clusterStatus),
});

export const releaseHoldAnswer = shape<ReleaseHoldAnswer>({ released: list(holdStatus) });

export const storeDoubtsAnswer = shape<StoreDoubtsAnswer>({
  doubts: list(shape<StoreDoubtsAnswer['doubts'][number]>({ node: nodeRef, reason: text })),
  store: shape<StoreDoubtsAnswer['store']>({ clusterId: text, raftTerm: amount, revision: amount }),
  epoch: count,
});

export const healthAnswer = shape<HealthAnswer>({ alive: flag });

export const readyAnswer = shape<ReadyAnswer>({
  ready: flag,
  checks: list(shape<ReadyCheck>({ name: oneOf('joined', 'runtimes', 'store'), passed: flag, text })),
});
