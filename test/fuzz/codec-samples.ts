import type { Codec } from '../../src/cluster/codec.ts';
import {
  assignmentCodec,
  candidateCodec,
  clusterSettingsCodec,
  holdCodec,
  instanceCodec,
  nodeRecordCodec,
  nodeSettingsCodec,
  nodeVerdictCodec,
  presenceCodec,
  specCodec,
  statusCodec,
  workloadCodec,
} from '../../src/cluster/codecs.ts';
import { ANYWHERE } from '../../src/domain/document.ts';
import type { NodeId } from '../../src/domain/ids.ts';
import type { Needs } from '../../src/domain/spec.ts';
import { makeContainerSpec } from '../support/container-spec.ts';

/** A codec and values that it takes, with and without what may be left out. */
export interface CodecSamples {
  readonly name: string;
  readonly codec: Codec<never>;
  readonly samples: readonly object[];
}

const at = '2026-01-01T00:00:00.000Z';
const node = '1'.repeat(32) as NodeId;
const other = '2'.repeat(32) as NodeId;

function sampled<T extends object>(name: string, codec: Codec<T>, ...samples: readonly T[]): CodecSamples {
  return { name, codec: codec as unknown as Codec<never>, samples };
}

const record = {
  ...{ machineId: node, bootId: 'boot', hostname: 'node1', addresses: ['10.0.0.1'], advertise: '10.0.0.1' },
  ...{ labels: { zone: 'a' }, capacity: { cpus: 2, memoryBytes: 2 ** 30 }, runtimes: { systemd: '252', docker: '20' } },
  ...{ agentVersion: '0.1.0', formats: [1], at },
};
const needs: Needs = {
  ...{ runtime: 'docker', memoryBytes: 0, cpus: 0.5, volumes: ['data'] },
  ports: [
    { port: 80, protocol: 'tcp' },
    { hostIp: '127.0.0.1', port: 53, protocol: 'udp' },
  ],
};
const workload = {
  ...{ spec: 3, scale: { kind: 'replicas' as const, replicas: 3 }, desired: 'run' as const, sticky: false, needs },
  ...{ placement: ANYWHERE, disconnect: { mode: 'keep' as const }, moveOrder: 'start-first' as const },
  ...{ createdAt: at, changedAt: at },
};
const placement = {
  ...{ machineIds: [node], machineOf: ['db'], conflicts: ['web.*'], replaces: ['old'] },
  labels: [{ key: 'zone', values: ['a', 'b'] }],
};
const container = makeContainerSpec('web:1', ['serve'], {
  ports: [{ hostPort: 80, containerPort: 8080, protocol: 'tcp' }],
  mounts: [
    { type: 'bind', source: '/a', target: '/b', readOnly: true },
    { type: 'volume', source: 'data', target: '/data', readOnly: false },
    { type: 'tmpfs', target: '/tmp', sizeBytes: 1024 },
  ],
  healthCheck: { test: { exec: ['true'] }, intervalMs: 1, timeoutMs: 1, retries: 1, startPeriodMs: 0 },
});
const status = {
  ...{ assignmentRevision: 7, spec: 3, phase: 'running' as const, healthy: true, health: 'healthy' as const },
  ...{ since: at, restarts: 0 },
};

/** Every codec that there is: a test compares the list with the module's exports. */
export const codecSamples: readonly CodecSamples[] = [
  sampled('nodeRecord', nodeRecordCodec, record, { ...record, productUuid: 'uuid', runtimes: {} }),
  sampled(
    'presence',
    presenceCodec,
    { nonce: 'n', bootId: 'b', ttlMs: 10_000, state: 'up' },
    { nonce: 'n', bootId: 'b', ttlMs: 10_000, state: 'in-doubt', doubt: 'the revision went back' },
  ),
  sampled(
    'nodeSettings',
    nodeSettingsCodec,
    { cordoned: true, draining: false, labels: { zone: 'b' }, removal: { at, force: true } },
    { cordoned: true, draining: true, labels: {}, drain: { since: at, deadline: at, force: true, keepGlobal: true } },
  ),
  sampled('nodeVerdict', nodeVerdictCodec, { lostSince: at }, { calmUntil: at, flaps: 2, drainedSince: at }),
  sampled(
    'clusterSettings',
    clusterSettingsCodec,
    { layout: 1, ttlMs: 10_000, agentAwayMs: 60_000, epoch: 0 },
    {
      ...{ layout: 1, ttlMs: 10_000, agentAwayMs: 60_000, epoch: 3 },
      confirmedStore: { clusterId: '1', raftTerm: 2, revision: 3 },
    },
  ),
  sampled('hold', holdCodec, { kind: 'mass-loss', since: at, until: at, reason: 'two of four', nodes: [node, other] }),
  sampled('candidate', candidateCodec, { node, nonce: 'n' }),
  sampled(
    'workload',
    workloadCodec,
    workload,
    { ...workload, placement, scale: { kind: 'global' }, desired: 'stop', removing: true },
    {
      ...workload,
      offlineStart: true,
      disconnect: { mode: 'keep', replaceAfterMs: 'never', onReturn: 'keep-original' },
    },
    { ...workload, launch: false, disconnect: { mode: 'stop', replaceAfterMs: 60_000 } },
  ),
  sampled(
    'spec',
    specCodec,
    { number: 1, hash: 'h', run: container, resolvedImage: 'web@sha256:0' },
    { number: 2, hash: 'h', run: { kind: 'unit', text: '[Service]\nExecStart=/bin/true\n' } },
  ),
  sampled(
    'assignment',
    assignmentCodec,
    { order: 'run', spec: 1, disconnect: 'stop', launch: false, reason: 'placed', at },
    { order: 'stop', spec: 1, disconnect: 'keep', offlineStart: true, reason: 'moved', at, superseded: true },
  ),
  sampled(
    'instance',
    instanceCodec,
    { copies: [{ node, role: 'current' }], moves: [{ at, to: node, reason: 'placed' }] },
    {
      pending: { since: at, reason: 'no room', nodes: { [node]: 'cordoned' } },
      copies: [
        { node, role: 'superseded' },
        { node: other, role: 'current' },
      ],
      lastNode: node,
      moves: [{ at, from: node, to: other, reason: 'lost' }],
    },
  ),
  sampled('status', statusCodec, status, {
    ...{
      ...status,
      startedAt: at,
      finishedAt: at,
      exitCode: 1,
      lastError: 'refused',
      pid: 1,
      fencingToken: '281474976710663',
    },
    ...{ lastAction: { kind: 'start', reason: 'assigned-here', at }, addresses: ['10.0.0.2'], progress: '50 %' },
    ...{ unit: { load: 'loaded', active: 'active', sub: 'running' }, container: { id: 'c', state: 'running' } },
  }),
];
