import * as v from 'valibot';
import type { NodeId } from '../domain/ids.ts';
import type { ClusterSettings, Hold, NodeRecord, NodeSettings, NodeVerdict, Presence } from '../domain/node.ts';
import type { Assignment, InstanceRecord, StoredSpec, Workload } from '../domain/spec.ts';
import type { InstanceStatus } from '../domain/status.ts';
import { type Codec, makeCodec } from './codec.ts';
import { nodeSettingsSchema, nodeVerdictSchema } from './node-settings-schema.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
/** Far longer than any that makes sense; a timer takes it. */
const LIFETIME_LIMIT_MS = 24 * 3_600_000;
/** What an agent can keep to: a shorter one would have it renew, resign and stand again without pause. */
const lifetimeMs = v.pipe(count, v.minValue(1_000), v.maxValue(LIFETIME_LIMIT_MS));
/** JSON's `1e999` is Infinity, with which nothing can be placed. */
const amount = v.pipe(v.number(), v.finite());
const text = v.string();
const texts = v.array(v.string());
const stringMap = v.record(v.string(), v.string());
const nodeId = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{32}$/),
  v.transform((id) => id as NodeId),
);
const runtimeKind = v.picklist(['systemd', 'docker']);
const disconnectMode = v.picklist(['keep', 'stop']);
const protocol = v.picklist(['tcp', 'udp']);
const health = v.picklist(['starting', 'healthy', 'unhealthy', 'none']);
const unitState = v.object({ load: text, active: text, sub: text });

export const nodeRecordCodec: Codec<NodeRecord> = makeCodec(
  v.object({
    machineId: text,
    bootId: text,
    productUuid: v.exactOptional(text),
    hostname: text,
    addresses: texts,
    advertise: text,
    api: v.exactOptional(text),
    signs: v.exactOptional(v.literal(true)),
    labels: stringMap,
    capacity: v.object({ cpus: amount, memoryBytes: amount }),
    runtimes: v.object({ systemd: v.exactOptional(text), docker: v.exactOptional(text) }),
    agentVersion: text,
    formats: v.array(amount),
    handoverMs: v.exactOptional(v.pipe(count, v.maxValue(LIFETIME_LIMIT_MS))),
    at: text,
  }),
);

export const presenceCodec: Codec<Presence> = makeCodec(
  v.object({
    nonce: text,
    bootId: text,
    ttlMs: v.pipe(count, v.maxValue(LIFETIME_LIMIT_MS)),
    state: v.picklist(['up', 'leaving', 'away', 'in-doubt']),
    doubt: v.exactOptional(text),
    epoch: v.exactOptional(count),
  }),
);

export const nodeSettingsCodec: Codec<NodeSettings> = makeCodec(nodeSettingsSchema);

export const nodeVerdictCodec: Codec<NodeVerdict> = makeCodec(nodeVerdictSchema);

export const clusterSettingsCodec: Codec<ClusterSettings> = makeCodec(
  v.object({
    layout: count,
    ttlMs: lifetimeMs,
    agentAwayMs: lifetimeMs,
    epoch: count,
    confirmedStore: v.exactOptional(v.object({ clusterId: text, raftTerm: count, revision: count })),
    massLoss: v.exactOptional(
      v.object({
        share: v.exactOptional(v.pipe(amount, v.minValue(0), v.maxValue(1))),
        nodes: v.exactOptional(count),
        holdMs: v.exactOptional(lifetimeMs),
      }),
    ),
    calm: v.exactOptional(v.object({ firstMs: v.exactOptional(count), mostMs: v.exactOptional(count) })),
  }),
);

export const holdCodec: Codec<Hold> = makeCodec(
  v.object({
    kind: v.literal('mass-loss'),
    since: text,
    until: text,
    reason: text,
    nodes: v.array(nodeId),
    ended: v.exactOptional(v.object({ at: text, reason: text })),
  }),
);

/** `election/<lease>`: who stands for leader. */
export interface Candidate {
  readonly node: NodeId;
  readonly nonce: string;
}

export const candidateCodec: Codec<Candidate> = makeCodec(v.object({ node: nodeId, nonce: text }));

const needs = v.object({
  runtime: runtimeKind,
  memoryBytes: amount,
  cpus: amount,
  ports: v.array(v.object({ hostIp: v.exactOptional(text), port: count, protocol })),
  volumes: texts,
});

export const workloadCodec: Codec<Workload> = makeCodec(
  v.object({
    spec: count,
    scale: v.variant('kind', [
      v.object({ kind: v.literal('replicas'), replicas: v.pipe(count, v.maxValue(10_000)) }),
      v.object({ kind: v.literal('global') }),
    ]),
    desired: v.picklist(['run', 'stop']),
    launch: v.exactOptional(v.literal(false)),
    placement: v.object({
      machineIds: texts,
      machineOf: texts,
      labels: v.array(v.object({ key: text, values: texts })),
      conflicts: texts,
      replaces: texts,
    }),
    disconnect: v.object({
      mode: disconnectMode,
      replaceAfterMs: v.exactOptional(v.union([count, v.literal('never')])),
      onReturn: v.exactOptional(v.picklist(['keep-replacement', 'keep-original', 'longest-running'])),
    }),
    offlineStart: v.exactOptional(v.boolean()),
    reschedule: v.exactOptional(
      v.union([v.literal('never'), v.object({ afterRestarts: count, delayMs: count, maxDelayMs: count })]),
    ),
    moveOrder: v.picklist(['start-first', 'stop-first']),
    sticky: v.boolean(),
    needs,
    createdAt: text,
    changedAt: text,
    removing: v.exactOptional(v.boolean()),
    restart: v.exactOptional(v.object({ all: v.exactOptional(count), slots: v.record(v.string(), count) })),
    labels: v.exactOptional(stringMap),
  }),
);

const mount = v.variant('type', [
  v.object({ type: v.literal('bind'), source: text, target: text, readOnly: v.boolean() }),
  v.object({ type: v.literal('volume'), source: text, target: text, readOnly: v.boolean() }),
  v.object({ type: v.literal('tmpfs'), target: text, sizeBytes: v.exactOptional(count) }),
]);

const containerSpec = v.object({
  kind: v.literal('container'),
  image: text,
  entrypoint: v.exactOptional(texts),
  command: v.exactOptional(texts),
  environment: stringMap,
  labels: stringMap,
  ports: v.array(v.object({ hostIp: v.exactOptional(text), hostPort: count, containerPort: count, protocol })),
  mounts: v.array(mount),
  networkMode: v.exactOptional(text),
  user: v.exactOptional(text),
  workingDir: v.exactOptional(text),
  hostname: v.exactOptional(text),
  memoryBytes: v.exactOptional(count),
  cpus: v.exactOptional(amount),
  stopSignal: v.exactOptional(text),
  stopGraceMs: count,
  healthCheck: v.exactOptional(
    v.object({
      test: v.union([v.object({ exec: texts }), v.object({ shell: text })]),
      intervalMs: count,
      timeoutMs: count,
      retries: count,
      startPeriodMs: count,
    }),
  ),
  readOnlyRoot: v.boolean(),
  capAdd: texts,
  capDrop: texts,
  extraHosts: texts,
  logging: v.object({ driver: text, options: stringMap }),
});

export const specCodec: Codec<StoredSpec> = makeCodec(
  v.object({
    number: count,
    hash: text,
    run: v.variant('kind', [containerSpec, v.object({ kind: v.literal('unit'), text })]),
    resolvedImage: v.exactOptional(text),
    at: v.exactOptional(text),
    needs: v.exactOptional(needs),
    rollbackTo: v.exactOptional(count),
  }),
);

export const assignmentCodec: Codec<Assignment> = makeCodec(
  v.object({
    order: v.picklist(['run', 'stop']),
    spec: count,
    disconnect: disconnectMode,
    offlineStart: v.exactOptional(v.boolean()),
    reason: text,
    at: text,
    superseded: v.exactOptional(v.boolean()),
    restart: v.exactOptional(count),
    launch: v.exactOptional(v.literal(false)),
  }),
);

export const instanceCodec: Codec<InstanceRecord> = makeCodec(
  v.object({
    pending: v.exactOptional(v.object({ since: text, reason: text, nodes: stringMap })),
    copies: v.array(
      v.object({ node: nodeId, role: v.picklist(['current', 'superseded']), lost: v.exactOptional(v.boolean()) }),
    ),
    lastNode: v.exactOptional(nodeId),
    failing: v.exactOptional(v.object({ moves: count, at: text, nodes: v.array(nodeId) })),
    moves: v.array(v.object({ at: text, from: v.exactOptional(nodeId), to: v.exactOptional(nodeId), reason: text })),
  }),
);

export const statusCodec: Codec<InstanceStatus> = makeCodec(
  v.object({
    assignmentRevision: count,
    spec: count,
    restart: v.exactOptional(count),
    phase: v.picklist(['pending', 'pulling', 'starting', 'running', 'stopping', 'stopped', 'failed', 'orphan', 'lost']),
    loaded: v.exactOptional(v.literal(true)),
    healthy: v.boolean(),
    health,
    since: text,
    startedAt: v.exactOptional(text),
    finishedAt: v.exactOptional(text),
    exitCode: v.exactOptional(amount),
    restarts: count,
    failures: v.exactOptional(count),
    gaveUp: v.exactOptional(v.boolean()),
    lastError: v.exactOptional(text),
    lastAction: v.exactOptional(v.object({ kind: text, reason: text, at: text })),
    unit: v.exactOptional(unitState),
    container: v.exactOptional(v.object({ id: text, state: text })),
    pid: v.exactOptional(count),
    addresses: v.exactOptional(texts),
    fencingToken: v.exactOptional(text),
    bootId: v.exactOptional(text),
    progress: v.exactOptional(text),
  }),
);
