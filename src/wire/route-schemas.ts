import type * as v from 'valibot';
import {
  applyAllAnswer,
  applyAnswer,
  changeFrame,
  clusterAnswer,
  desiredAnswer,
  explainAnswer,
  instanceDetail,
  instanceRow,
  instancesAnswer,
  nodeAnswer,
  nodeRef,
  nodeRow,
  nodeStateAnswer,
  nodesAnswer,
  problem,
  problemLine,
  storedSpec,
  versionAnswer,
  watchFrame,
  workloadAnswer,
  workloadRow,
  workloadSummary,
  workloadsAnswer,
} from './answer-schemas.ts';
import { certificateRequestSchema } from './certificate-answers.ts';
import { clusterEvent, historyAnswer } from './event-schemas.ts';
import { logEntry } from './log-schemas.ts';
import { certificateAnswer, drainProgress, nodeRemovalAnswer, nodeSettingsAnswer } from './node-schemas.ts';
import { drainSchema, labelsSchema } from './node-settings-schemas.ts';
import { planAnswer, plannedInstance, plannedWorkload } from './plan-schemas.ts';
import {
  applyAllSchema,
  documentSchema,
  placementSchema,
  planSchema,
  rollbackSchema,
  runSchema,
  scaleRequestSchema,
  watchSchema,
} from './schemas.ts';
import { nodeStatsAnswer, statsAnswer } from './stats-schemas.ts';
import { healthAnswer, readyAnswer, releaseHoldAnswer, statusAnswer, storeDoubtsAnswer } from './status-schemas.ts';
import {
  restartAnswer,
  revisionAnswer,
  revisionRow,
  revisionsAnswer,
  rollbackAnswer,
  scaleAnswer,
} from './workload-schemas.ts';

/** A route that is upgraded: what travels then is no answer to a request. */
const webSocket = 'WebSocket';

/** What a route takes and gives. Of a stream `answer` is one line. */
export interface RouteSchema {
  readonly body?: v.GenericSchema;
  readonly answer: v.GenericSchema | { readonly contentType: string } | typeof webSocket;
  /** What comes with a status other than 200. */
  readonly others?: Readonly<Record<number, v.GenericSchema>>;
}

/** By method and path, as the route has them. */
export const routeSchemas: Readonly<Record<string, RouteSchema>> = {
  'GET /openapi.json': { answer: { contentType: 'application/json' } },
  'GET /healthz': { answer: healthAnswer, others: { 503: healthAnswer } },
  'GET /readyz': { answer: readyAnswer, others: { 503: readyAnswer } },
  'GET /metrics': { answer: { contentType: 'text/plain' } },
  'GET /v1/version': { answer: versionAnswer },
  'GET /v1/status': { answer: statusAnswer },
  'GET /v1/cluster': { answer: clusterAnswer },
  'GET /v1/cluster/doubts': { answer: storeDoubtsAnswer },
  'POST /v1/cluster/confirm-restore': { answer: storeDoubtsAnswer },
  'POST /v1/cluster/release-hold': { answer: releaseHoldAnswer },
  'GET /v1/changes': { answer: changeFrame },
  'GET /v1/events': { answer: clusterEvent },
  'GET /v1/node': { answer: nodeStateAnswer },
  'GET /v1/node/watch': { answer: nodeStateAnswer },
  'GET /v1/node/logs/:workload/:slot': { answer: logEntry },
  'POST /v1/node/certificate': { body: certificateRequestSchema, answer: certificateAnswer },
  'GET /v1/nodes': { answer: nodesAnswer },
  'GET /v1/nodes/:id': { answer: nodeAnswer },
  'POST /v1/nodes/:id/cordon': { answer: nodeSettingsAnswer },
  'POST /v1/nodes/:id/uncordon': { answer: nodeSettingsAnswer },
  'POST /v1/nodes/:id/drain': { body: drainSchema, answer: nodeSettingsAnswer },
  'GET /v1/nodes/:id/drain': { answer: drainProgress },
  'GET /v1/nodes/:id/drain/watch': { answer: drainProgress },
  'PATCH /v1/nodes/:id/labels': { body: labelsSchema, answer: nodeSettingsAnswer },
  'DELETE /v1/nodes/:id': { answer: nodeRemovalAnswer },
  'GET /v1/workloads': { answer: workloadsAnswer },
  'GET /v1/workloads/:name': { answer: workloadAnswer },
  'GET /v1/workloads/:name/explain': { answer: explainAnswer },
  'GET /v1/workloads/:name/logs': { answer: logEntry },
  'GET /v1/workloads/:name/history': { answer: historyAnswer },
  'GET /v1/workloads/:name/watch': { answer: watchFrame },
  'GET /v1/workloads/:name/revisions': { answer: revisionsAnswer },
  'GET /v1/workloads/:name/revisions/:number': { answer: revisionAnswer },
  'PUT /v1/workloads/:name': { body: documentSchema, answer: applyAnswer },
  'DELETE /v1/workloads/:name': { answer: desiredAnswer },
  'POST /v1/workloads/:name/start': { answer: desiredAnswer },
  'POST /v1/workloads/:name/stop': { answer: desiredAnswer },
  'POST /v1/workloads/:name/scale': { body: scaleRequestSchema, answer: scaleAnswer },
  'POST /v1/workloads/:name/restart': { answer: restartAnswer },
  'POST /v1/workloads/:name/rollback': { body: rollbackSchema, answer: rollbackAnswer },
  'POST /v1/apply': { body: applyAllSchema, answer: applyAllAnswer },
  'POST /v1/plan': { body: planSchema, answer: planAnswer },
  'POST /v1/watch': { body: watchSchema, answer: watchFrame },
  'GET /v1/instances': { answer: instancesAnswer },
  'GET /v1/instances/:workload/:slot/logs': { answer: logEntry },
  'GET /v1/instances/:workload/:slot/exec': { answer: webSocket },
  'GET /v1/node/exec/:workload/:slot': { answer: webSocket },
  'GET /v1/stats': { answer: statsAnswer },
  'GET /v1/node/stats': { answer: nodeStatsAnswer },
};

/** The schemas that documents refer to by name. */
export const namedSchemas: Readonly<Record<string, v.GenericSchema>> = {
  Problem: problem,
  ProblemLine: problemLine,
  Workload: documentSchema as unknown as v.GenericSchema,
  Run: runSchema,
  Placement: placementSchema,
  StoredSpec: storedSpec,
  Revision: revisionRow,
  Summary: workloadSummary,
  WorkloadRow: workloadRow,
  Instance: instanceRow,
  InstanceDetail: instanceDetail,
  NodeRef: nodeRef,
  Node: nodeRow,
  NodeState: nodeStateAnswer,
  ApplyAnswer: applyAnswer,
  DesiredAnswer: desiredAnswer,
  PlannedWorkload: plannedWorkload,
  PlannedInstance: plannedInstance,
  WatchFrame: watchFrame,
  LogEntry: logEntry,
  Event: clusterEvent,
};
