import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ApiDeps, LocalState } from '../../../src/api/api-deps.ts';
import { makeApi } from '../../../src/api/make-api.ts';
import { openApi } from '../../../src/api/open-api.ts';
import {
  assignmentCodec,
  candidateCodec,
  instanceCodec,
  nodeRecordCodec,
  presenceCodec,
  statusCodec,
} from '../../../src/cluster/codecs.ts';
import { makeLayout } from '../../../src/cluster/layout.ts';
import { ANYWHERE, type WorkloadDocument } from '../../../src/domain/document.ts';
import {
  type InstanceKey,
  type NodeId,
  parseClusterId,
  parseNodeId,
  parseWorkloadName,
} from '../../../src/domain/ids.ts';
import type { Assignment, InstanceRecord } from '../../../src/domain/spec.ts';
import type { InstanceStatus } from '../../../src/domain/status.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import type { Runtime } from '../../../src/runtime/port.ts';
import { type Client, openClient } from '../../../src/wire/client.ts';
import { makeContainerSpec } from '../../support/container-spec.ts';
import type { MemoryKv } from '../../support/memory-kv.ts';
import { MemoryStore } from '../../support/memory-store.ts';

export const layout = makeLayout('/muster', parseClusterId('test'));
export const node1: NodeId = parseNodeId('1'.repeat(32));
export const node2: NodeId = parseNodeId('2'.repeat(32));
const at = '2026-01-01T00:00:00.000Z';

export type FakeRuntime = Pick<Runtime, 'kind' | 'logs' | 'resolveImage'>;

/** An API on a real socket over a store in memory. Everything ends with the test. */
export interface Fixture {
  readonly client: Client;
  readonly socketPath: string;
  readonly kv: MemoryKv;
  readonly store: MemoryStore;
  readonly open: () => number;
  /** Past the socket, as any caller. */
  readonly fetch: ReturnType<typeof makeApi>['fetch'];
  readonly setState: (state: Partial<LocalState>) => void;
  readonly put: (key: string, value: string) => Promise<number>;
  readonly remove: (key: string) => Promise<void>;
}

export async function openFixture(
  t: TestContext,
  runtimes: readonly FakeRuntime[] = [],
  more: Partial<ApiDeps> = {},
): Promise<Fixture> {
  const store = new MemoryStore(systemClock, { callMs: 200, attemptMs: 100 });
  const kv = store.client('api');
  const writer = store.client('others');
  const folder = await mkdtemp(join(tmpdir(), 'muster-api-'));
  const socketPath = join(folder, 'api.sock');
  const { node, setState } = makeLocalNode();
  const api = makeApi({
    cluster: 'test',
    version: '1.2.3',
    store: { kv, layout, clock: systemClock },
    node,
    runtimes,
    clock: systemClock,
    log: silentLog,
    ...more,
  });
  const listener = await openApi(api, { socketPath, group: 'no-such-group', log: silentLog });
  const client = openClient({ socketPath }, { timeoutMs: 5_000 });
  t.after(async () => {
    client.close();
    await listener.close();
    kv.close();
    writer.close();
    await rm(folder, { recursive: true });
  });
  const { signal } = new AbortController();
  return {
    client,
    socketPath,
    kv,
    store,
    open: () => api.open,
    fetch: api.fetch,
    setState,
    put: async (key, value) => (await writer.commit({ compares: [], writes: [{ put: key, value }] }, signal)).revision,
    remove: async (key) => {
      await writer.commit({ compares: [], writes: [{ delete: key }] }, signal);
    },
  };
}

/** The node that answers, and the hand that changes what it says of itself. */
function makeLocalNode(): Pick<ApiDeps, 'node'> & Pick<Fixture, 'setState'> {
  let state: LocalState = { joined: true, leader: false, text: 'follows node1' };
  const listeners = new Set<() => void>();
  const onChange = (listener: () => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return {
    node: { id: node1, hostname: 'node1', state: () => state, onChange },
    setState: (change) => {
      state = { ...state, ...change };
      for (const each of listeners) each();
    },
  };
}

/** A node that is up, as it would register. */
export async function addNode(fixture: Fixture, id: NodeId, hostname: string): Promise<void> {
  const record = {
    machineId: id,
    bootId: 'boot',
    hostname,
    addresses: ['10.0.0.1'],
    advertise: '10.0.0.1',
    labels: {},
    capacity: { cpus: 2, memoryBytes: 2 ** 30 },
    runtimes: { systemd: '252', docker: '20.10' },
    agentVersion: '1.2.3',
    formats: [1],
    at,
  };
  await fixture.put(layout.nodeRecord(id), nodeRecordCodec.encode(record));
  await fixture.put(
    layout.presence(id),
    presenceCodec.encode({ nonce: 'n', bootId: 'boot', ttlMs: 4_000, state: 'up' }),
  );
}

export async function addLeader(fixture: Fixture, node: NodeId): Promise<void> {
  const { id: lease } = fixture.store.grantLease(60_000);
  const value = candidateCodec.encode({ node, nonce: 'n' });
  fixture.store.commit({ compares: [], writes: [{ put: layout.candidate(lease), value, lease }] });
}

/** What the leader writes when it places an instance. */
export async function assign(
  fixture: Fixture,
  node: NodeId,
  key: InstanceKey,
  over: Partial<Assignment> = {},
): Promise<number> {
  const record: InstanceRecord = { copies: [{ node, role: 'current' }], moves: [{ at, to: node, reason: 'placed' }] };
  await fixture.put(layout.instance(key), instanceCodec.encode(record));
  const order: Assignment = { order: 'run', spec: 1, disconnect: 'keep', reason: 'placed', at, ...over };
  return fixture.put(layout.assignment(node, key), assignmentCodec.encode(order));
}

/** What a node writes of an instance. */
export async function report(
  fixture: Fixture,
  node: NodeId,
  key: InstanceKey,
  over: Partial<InstanceStatus>,
): Promise<void> {
  const status: InstanceStatus = {
    assignmentRevision: 0,
    spec: 1,
    phase: 'running',
    healthy: true,
    health: 'none',
    since: at,
    restarts: 0,
    ...over,
  };
  await fixture.put(layout.status(node, key), statusCodec.encode(status));
}

export const container = makeContainerSpec('localhost:5000/nginx:1', [], {
  logging: { driver: 'journald', options: {} },
});

export function makeDocument(name: string, over: Partial<WorkloadDocument> = {}): WorkloadDocument {
  return {
    name: parseWorkloadName(name),
    run: name.includes('.') ? { kind: 'unit', text: '[Service]\nExecStart=/bin/true\n' } : container,
    scale: { kind: 'replicas', replicas: 1 },
    placement: ANYWHERE,
    disconnect: { mode: 'keep' },
    moveOrder: 'start-first',
    sticky: false,
    ...over,
  };
}
