import type { TestContext } from 'node:test';
import {
  clusterSettingsCodec,
  holdCodec,
  instanceCodec,
  nodeRecordCodec,
  nodeSettingsCodec,
  nodeVerdictCodec,
  presenceCodec,
} from '../../../src/cluster/codecs.ts';
import { type InstanceKey, type NodeId, parseNodeId, parseWorkloadName } from '../../../src/domain/ids.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import {
  addLeader,
  addNode,
  assign,
  container,
  type FakeRuntime,
  type Fixture,
  layout,
  makeDocument,
  node1,
  node2,
  openFixture,
  report,
} from './api-fixture.ts';

export const node3: NodeId = parseNodeId('3'.repeat(32));
const at = '2026-01-01T00:00:00.000Z';
const web = parseWorkloadName('web');

const runtime: FakeRuntime = {
  kind: 'docker',
  resolveImage: async () => `localhost:5000/nginx@sha256:${'a'.repeat(64)}`,
  logs: async function* () {
    yield await Promise.resolve([{ at, stream: 'stdout' as const, text: 'hello' }]);
  },
};

/** A cluster with something of everything: what is well, what waits, what is lost, what fails, what was replaced. */
export async function openPopulated(t: TestContext): Promise<Fixture> {
  const fixture = await openFixture(t, [runtime, { ...runtime, kind: 'systemd' }], {
    metrics: {
      answered: () => undefined,
      watchStreams: () => undefined,
      expose: async () => ({ type: 'text/plain; version=0.0.4', text: 'muster_up 1\n' }),
    },
    certificates: { sign: async () => '-----BEGIN CERTIFICATE-----\n' },
  });
  fixture.setState({ store: { state: 'good', since: at, text: 'answers', lastError: 'it was away' } });
  await addNodes(fixture);
  await addWork(fixture);
  return fixture;
}

async function addNodes(fixture: Fixture): Promise<void> {
  await addNode(fixture, node1, 'node1');
  await addNode(fixture, node2, 'node2');
  await addLeader(fixture, node1);
  const cluster = { layout: 1, ttlMs: 10_000, agentAwayMs: 60_000, epoch: 1 };
  await fixture.put(layout.cluster, clusterSettingsCodec.encode(cluster));
  const presence = { nonce: 'n', bootId: 'boot', ttlMs: 4_000, state: 'in-doubt', doubt: 'it went back' } as const;
  await fixture.put(layout.presence(node2), presenceCodec.encode(presence));
  const drain = { since: at, deadline: at, force: true, keepGlobal: true } as const;
  const settings = { cordoned: true, draining: true, drain, labels: { zone: 'b' } };
  await fixture.put(layout.nodeSettings(node2), nodeSettingsCodec.encode(settings));
  const record = nodeRecordCodec.decode(fixture.store.get(layout.nodeRecord(node1))?.value ?? '', 'record');
  const lost = { ...record, machineId: node3, hostname: 'node3', runtimes: { systemd: '252' } };
  await fixture.put(layout.nodeRecord(node3), nodeRecordCodec.encode(lost));
  const verdict = { lostSince: at, calmUntil: at, flaps: 2 };
  await fixture.put(layout.verdict(node3), nodeVerdictCodec.encode(verdict));
  const until = new Date(systemClock.wallTime().getTime() + 3_600_000).toISOString();
  const hold = {
    kind: 'mass-loss' as const,
    since: at,
    until,
    reason: '2 of 3 nodes vanished together',
    nodes: [node3],
  };
  await fixture.put(layout.hold('mass-loss'), holdCodec.encode(hold));
}

async function addWork(fixture: Fixture): Promise<void> {
  const { client } = fixture;
  const { signal } = new AbortController();
  const full = {
    ...container,
    labels: { team: 'shop' },
    ports: [{ hostIp: '127.0.0.1', hostPort: 8080, containerPort: 80, protocol: 'tcp' as const }],
    mounts: [{ type: 'tmpfs' as const, target: '/tmp', sizeBytes: 1024 }],
  };
  await client.apply(makeDocument('web', { run: container }), signal);
  const { spec } = await client.apply(
    makeDocument('web', {
      run: full,
      scale: { kind: 'replicas', replicas: 3 },
      disconnect: { mode: 'keep', replaceAfterMs: 'never', onReturn: 'keep-original' },
      reschedule: { afterRestarts: 5, delayMs: 1_000, maxDelayMs: 2_000 },
      offlineStart: true,
      reserve: { memoryBytes: 1024 },
    }),
    signal,
  );
  await client.apply(makeDocument('hello.service', { scale: { kind: 'global' } }), signal);
  await client.apply(makeDocument('worker@.service'), signal);
  await client.apply(makeDocument('gone.service'), signal);
  await client.restart('web', 'web.1', signal);
  const [first, second, third] = ['web/0', 'web/1', 'web/2'] as [InstanceKey, InstanceKey, InstanceKey];
  const assignmentRevision = await assign(fixture, node1, first, { spec });
  await report(fixture, node1, first, {
    assignmentRevision,
    spec,
    startedAt: at,
    finishedAt: at,
    exitCode: -1,
    health: 'healthy',
    lastError: 'it ended',
    lastAction: { kind: 'start', reason: 'ended', at },
    container: { id: 'abc', state: 'running' },
    pid: 42,
    addresses: ['10.0.0.7'],
    fencingToken: '1.2.3',
    progress: 'layer 1 of 2',
    restarts: 3,
  });
  await assign(fixture, node3, second, { spec });
  await report(fixture, node3, second, { spec });
  const pending = { since: at, reason: 'none of 3 nodes fits', nodes: { [node1]: 'too full', [node2]: 'cordoned' } };
  const moves = [{ at, from: node1, to: node2, reason: 'node1 lost' }];
  const waiting = { pending, copies: [], lastNode: node1, failing: { moves: 1, at, nodes: [node1] }, moves };
  await fixture.put(layout.instance(third), instanceCodec.encode(waiting));
  const hello = `hello.service/${node2}` as InstanceKey;
  await report(fixture, node2, hello, {
    assignmentRevision: await assign(fixture, node2, hello),
    phase: 'failed',
    healthy: false,
    unit: { load: 'loaded', active: 'failed', sub: 'failed' },
  });
  await report(fixture, node1, `${web}/9` as InstanceKey, { phase: 'orphan' });
}
