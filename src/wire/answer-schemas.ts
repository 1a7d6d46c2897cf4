import * as v from 'valibot';
import type { ErrorCode } from '../domain/errors.ts';
import type { InstanceKey, NodeId, Slot, WorkloadName } from '../domain/ids.ts';
import type { Drain } from '../domain/node.ts';
import type { Move, Needs, StoredSpec, Workload } from '../domain/spec.ts';
import type { Health, InstanceStatus, Phase, UnitState } from '../domain/status.ts';
import { amount, count, flag, id, list, oneOf, optional, shape, text, textMap, texts, time } from './answer-shape.ts';
import type {
  ApplyAllAnswer,
  ApplyAnswer,
  ChangeFrame,
  ClusterAnswer,
  DesiredAnswer,
  ExplainAnswer,
  InstanceDetail,
  InstanceRow,
  InstancesAnswer,
  NodeAnswer,
  NodeRef,
  NodeRow,
  NodeStateAnswer,
  NodesAnswer,
  VersionAnswer,
  WatchFrame,
  WorkloadAnswer,
  WorkloadRow,
  WorkloadSummary,
  WorkloadsAnswer,
} from './answers.ts';
import type { Problem, ProblemLine } from './problem.ts';
import { disconnectSchema, placementSchema, rescheduleSchema, runSchema, scaleSchema } from './schemas.ts';

/** Schemas of what the API answers: documents are made of them, and tests hold real answers against them. */

export const nodeId = id<NodeId>();
export const workloadName = id<WorkloadName>();
export const instanceKey = id<InstanceKey>();

export const phase = oneOf<Phase>(
  ...(['pending', 'pulling', 'starting', 'running', 'stopping', 'stopped', 'failed', 'orphan', 'lost'] as const),
);
const health = oneOf<Health>('starting', 'healthy', 'unhealthy', 'none');
export const nodeState = oneOf<NodeRow['state']>('up', 'leaving', 'away', 'in-doubt', 'lost');

export const errorCode = oneOf<ErrorCode>(
  ...(['INVALID_INPUT', 'UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND', 'CONFLICT', 'STALE', 'LIMIT'] as const),
  ...(['FULL', 'FENCED', 'UNAVAILABLE', 'INTERNAL'] as const),
);

export const problem = shape<Problem>({
  type: v.literal('about:blank'),
  title: text,
  status: count,
  detail: text,
  code: errorCode,
  expected: optional(text),
  current: optional(shape<NonNullable<Problem['current']>>({ spec: count, changedAt: time })),
  requestId: optional(text),
});

export const problemLine = shape<ProblemLine>({ problem });

export const versionAnswer = shape<VersionAnswer>({ version: text, api: v.literal('v1') });

export const nodeStateAnswer = shape<NodeStateAnswer>({
  node: nodeId,
  hostname: text,
  cluster: text,
  version: text,
  joined: flag,
  leader: flag,
  status: text,
});

export const nodeRef = shape<NodeRef>({ id: nodeId, hostname: text });

export const clusterAnswer = shape<ClusterAnswer>({
  id: text,
  leader: optional(nodeRef),
  term: optional(count),
  nodes: shape<ClusterAnswer['nodes']>({ known: count, present: count }),
  workloads: count,
  ttlMs: optional(count),
  revision: count,
  problems: texts,
});

export const drain = shape<Drain>({
  since: time,
  deadline: optional(time),
  force: optional(v.literal(true)),
  keepGlobal: optional(v.literal(true)),
});

export const nodeRow = shape<NodeRow>({
  id: nodeId,
  hostname: text,
  state: nodeState,
  lostSince: optional(time),
  leader: flag,
  cordoned: flag,
  draining: flag,
  drain: optional(drain),
  drainedSince: optional(time),
  removing: optional(flag),
  advertise: text,
  addresses: texts,
  labels: textMap,
  capacity: shape<NodeRow['capacity']>({ cpus: amount, memoryBytes: amount }),
  runtimes: shape<NodeRow['runtimes']>({ systemd: optional(text), docker: optional(text) }),
  agentVersion: text,
  machineId: text,
  bootId: text,
  instances: count,
});

export const nodesAnswer = shape<NodesAnswer>({ nodes: list(nodeRow), next: optional(text), problems: texts });

const unitState = shape<UnitState>({ load: text, active: text, sub: text });
const lastAction = shape<NonNullable<InstanceStatus['lastAction']>>({ kind: text, reason: text, at: time });

export const instanceRow = shape<InstanceRow>({
  id: text,
  key: instanceKey,
  workload: workloadName,
  slot: id<Slot>(),
  display: text,
  kind: oneOf('container', 'unit'),
  phase,
  healthy: flag,
  health,
  node: optional(nodeRef),
  role: optional(oneOf('current', 'superseded', 'orphan')),
  loaded: optional(flag),
  spec: optional(count),
  upToDate: flag,
  reason: optional(text),
  since: optional(time),
  startedAt: optional(time),
  finishedAt: optional(time),
  exitCode: optional(amount),
  restarts: count,
  lastError: optional(text),
  lastAction: optional(lastAction),
  unit: optional(unitState),
  container: optional(shape<NonNullable<InstanceRow['container']>>({ id: text, state: text })),
  pid: optional(count),
  addresses: optional(texts),
  fencingToken: optional(text),
  ports: optional(texts),
  progress: optional(text),
});

export const nodeAnswer = shape<NodeAnswer>({ node: nodeRow, rows: list(instanceRow), problems: texts });

export const instancesAnswer = shape<InstancesAnswer>({
  rows: list(instanceRow),
  next: optional(text),
  problems: texts,
});

export const workloadSummary = shape<WorkloadSummary>({
  converged: flag,
  blocked: flag,
  wanted: count,
  running: count,
  healthy: count,
  problems: list(shape<WorkloadSummary['problems'][number]>({ instance: text, phase, text })),
});

const desired = oneOf<Workload['desired']>('run', 'stop');

export const workloadRow = shape<WorkloadRow>({
  name: workloadName,
  kind: oneOf('container', 'unit'),
  desired,
  removing: flag,
  scale: scaleSchema,
  spec: count,
  disconnect: oneOf('keep', 'stop'),
  sticky: flag,
  createdAt: time,
  changedAt: time,
  labels: optional(textMap),
  summary: workloadSummary,
});

export const workloadsAnswer = shape<WorkloadsAnswer>({
  workloads: list(workloadRow),
  next: optional(text),
  problems: texts,
});

export const instanceDetail = shape<InstanceDetail>({
  key: instanceKey,
  display: text,
  phase,
  reason: optional(text),
  waitsFor: optional(text),
  nodes: list(shape<InstanceDetail['nodes'][number]>({ node: nodeRef, reason: text })),
  rows: list(instanceRow),
  moves: list(shape<Move>({ at: time, from: optional(nodeId), to: optional(nodeId), reason: text })),
});

const needs = shape<Needs>({
  runtime: oneOf('systemd', 'docker'),
  memoryBytes: amount,
  cpus: amount,
  ports: list(shape<Needs['ports'][number]>({ hostIp: optional(text), port: count, protocol: oneOf('tcp', 'udp') })),
  volumes: texts,
});

type Restart = NonNullable<Workload['restart']>;

const workload = shape<Workload>({
  spec: count,
  scale: scaleSchema,
  desired,
  launch: optional(v.literal(false)),
  placement: placementSchema,
  disconnect: disconnectSchema,
  offlineStart: optional(flag),
  reschedule: optional(rescheduleSchema),
  moveOrder: oneOf('start-first', 'stop-first'),
  sticky: flag,
  needs,
  createdAt: time,
  changedAt: time,
  removing: optional(flag),
  restart: optional(shape<Restart>({ all: optional(count), slots: v.record(v.string(), count) })),
  labels: optional(textMap),
});

export const storedSpec = shape<StoredSpec>({
  number: count,
  hash: text,
  run: runSchema,
  resolvedImage: optional(text),
  at: optional(time),
  needs: optional(needs),
  rollbackTo: optional(count),
});

export const workloadAnswer = shape<WorkloadAnswer>({
  name: workloadName,
  workload,
  spec: optional(storedSpec),
  specs: list(count),
  summary: workloadSummary,
  instances: list(instanceDetail),
  problems: texts,
});

export const explainAnswer = shape<ExplainAnswer>({
  name: workloadName,
  desired,
  removing: flag,
  summary: workloadSummary,
  instances: list(instanceDetail),
  problems: texts,
});

export const applyAnswer = shape<ApplyAnswer>({
  name: workloadName,
  spec: count,
  created: flag,
  changed: flag,
  started: flag,
  revision: count,
  warnings: texts,
});

export const applyAllAnswer = shape<ApplyAllAnswer>({ outcomes: list(v.union([applyAnswer, problemLine])) });

/** What a change of a workload answers, whichever it was. */
export const desiredFields = {
  name: workloadName,
  spec: count,
  desired,
  removing: flag,
  changed: flag,
  revision: count,
} as const;

export const desiredAnswer = shape<DesiredAnswer>(desiredFields);

export const watchFrame = shape<WatchFrame>({
  workload: workloadName,
  gone: flag,
  desired: optional(desired),
  removing: optional(flag),
  spec: optional(count),
  summary: workloadSummary,
  rows: list(instanceRow),
  removed: texts,
});

export const changeFrame = shape<ChangeFrame>({ revision: optional(count) });
