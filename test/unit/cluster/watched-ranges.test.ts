import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assignmentCodec,
  instanceCodec,
  nodeVerdictCodec,
  presenceCodec,
  statusCodec,
  workloadCodec,
} from '../../../src/cluster/codecs.ts';
import { readWorkloadState } from '../../../src/cluster/desired-read.ts';
import type { DesiredState } from '../../../src/cluster/desired-state.ts';
import { watchWorkloadState } from '../../../src/cluster/desired-watch.ts';
import { makeLayout } from '../../../src/cluster/layout.ts';
import { type InstanceKey, type NodeId, parseClusterId, type WorkloadName } from '../../../src/domain/ids.ts';
import type { Workload } from '../../../src/domain/spec.ts';
import type { Kv } from '../../../src/etcd/port.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const layout = makeLayout('/muster', parseClusterId('demo'));
const at = '2026-01-01T00:00:00.000Z';
const never = new AbortController().signal;
const nodeId = (digit: string) => digit.repeat(32) as NodeId;
const [a, b] = [nodeId('a'), nodeId('b')];

const workload = (over: Partial<Workload> = {}): Workload => ({
  spec: 1,
  scale: { kind: 'replicas', replicas: 1 },
  desired: 'run',
  placement: { machineIds: [], machineOf: [], labels: [], conflicts: [], replaces: [] },
  disconnect: { mode: 'keep' },
  moveOrder: 'start-first',
  sticky: false,
  needs: { runtime: 'docker', memoryBytes: 0, cpus: 0, ports: [], volumes: [] },
  createdAt: at,
  changedAt: at,
  ...over,
});

/** The hands of everybody else. */
function makeWriter(store: MemoryStore) {
  const put = (key: string, value: string) => store.commit({ compares: [], writes: [{ put: key, value }] });
  const remove = (key: string) => store.commit({ compares: [], writes: [{ delete: key }] });
  const status = (node: NodeId, key: string, phase: 'running' | 'stopped') => {
    const health = { healthy: true, health: 'none', since: at, restarts: 0 } as const;
    const value = statusCodec.encode({ assignmentRevision: 1, spec: 1, phase, ...health });
    put(layout.status(node, key as InstanceKey), value);
  };
  const place = (node: NodeId, key: string, copies: readonly NodeId[]) => {
    const record = { copies: copies.map((each) => ({ node: each, role: 'current' as const })), moves: [] };
    put(layout.instance(key as InstanceKey), instanceCodec.encode(record));
    const order = { order: 'run', spec: 1, disconnect: 'keep', reason: 'placed', at } as const;
    put(layout.assignment(node, key as InstanceKey), assignmentCodec.encode(order));
  };
  return { put, remove, status, place };
}

/** A client that counts its watches and what they bring. */
function countWatches(inner: Kv, seen: { watches: number; events: number }): Kv {
  const watch: Kv['watch'] = (range, from, onBatch, signal) => {
    seen.watches += 1;
    const counted: typeof onBatch = (batch) => {
      seen.events += batch.events.length;
      onBatch(batch);
    };
    return inner.watch(range, from, counted, signal);
  };
  const [get, list]: [Kv['get'], Kv['list']] = [inner.get.bind(inner), inner.list.bind(inner)];
  return Object.assign(Object.create(inner) as Kv, { watch, get, list });
}

/** A store, and somebody who waits for workloads in it. */
function watchFrom(names: readonly string[]) {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  const inner = store.client();
  const seen = { watches: 0, events: 0 };
  const view = { kv: countWatches(inner, seen), layout, clock };
  const stop = new AbortController();
  let state: DesiredState | undefined;
  const wanted = names as readonly WorkloadName[];
  const take = (now: DesiredState) => {
    state = now;
  };
  const begin = () => watchWorkloadState(view, new Set(wanted), take, stop.signal);
  /** What is known by watching is what a fresh look shows. */
  const assertCurrent = async () => {
    await clock.advance(0);
    const { state: fresh } = await readWorkloadState({ ...view, kv: inner }, wanted, never);
    for (const name of wanted) {
      assert.deepEqual(state?.workloads.get(name)?.value, fresh.workloads.get(name)?.value);
      assert.deepEqual(state?.instancesOf(name), fresh.instancesOf(name));
      assert.deepEqual(state?.copiesOf(name), fresh.copiesOf(name));
    }
    for (const [id, entry] of fresh.nodes) assert.deepEqual(state?.nodes.get(id), entry);
  };
  const end = async () => {
    stop.abort();
    await clock.advance(0);
  };
  return { clock, seen, ...makeWriter(store), begin, assertCurrent, end };
}

function presence(nonce: string): string {
  return presenceCodec.encode({ nonce, bootId: 'boot', ttlMs: 4_000, state: 'up' });
}

test('who waits for a workload is told all about it, wherever it goes', async () => {
  const world = watchFrom(['web']);
  const running = world.begin();
  await world.assertCurrent();
  world.put(layout.workload('web' as WorkloadName), workloadCodec.encode(workload()));
  await world.assertCurrent();
  world.put(layout.presence(a), presence('a'));
  world.place(a, 'web/0', [a]);
  await world.assertCurrent();
  world.status(a, 'web/0', 'running');
  await world.assertCurrent();
  world.place(b, 'web/0', [a, b]);
  world.status(b, 'web/0', 'running'); // before anybody can have begun to watch that node
  world.remove(layout.presence(a));
  world.put(layout.verdict(a), nodeVerdictCodec.encode({ lostSince: at }));
  await world.assertCurrent();
  world.status(b, 'web/0', 'stopped');
  world.status(a, 'web/0', 'stopped');
  await world.assertCurrent();
  for (const node of [a, b]) {
    world.remove(layout.assignment(node, 'web/0' as InstanceKey));
    world.remove(layout.status(node, 'web/0' as InstanceKey));
  }
  world.remove(layout.instance('web/0' as InstanceKey));
  world.remove(layout.workload('web' as WorkloadName));
  await world.assertCurrent();
  await world.end();
  await running;
});

test('who waits for a workload hears nothing of the others', async () => {
  const world = watchFrom(['web']);
  world.put(layout.workload('web' as WorkloadName), workloadCodec.encode(workload()));
  world.place(a, 'web/0', [a]);
  const running = world.begin();
  await world.clock.advance(0);
  world.seen.events = 0;
  for (let n = 0; n < 200; n += 1) {
    world.put(layout.workload(`web-${n}` as WorkloadName), workloadCodec.encode(workload()));
    world.place(n % 2 === 0 ? a : b, `web-${n}/0`, [a]);
    world.status(a, `web-${n}/0`, 'running');
    world.put(layout.presence(b), presence(`${n}`));
  }
  await world.clock.advance(0);
  assert.equal(world.seen.events, 0);
  assert.equal(world.seen.watches, 5);
  world.status(a, 'web/0', 'running');
  await world.assertCurrent();
  assert.equal(world.seen.events, 1);
  await world.end();
  await running;
});

test('who waits for many workloads, or for one on many nodes, watches whole ranges instead of ever more parts', async () => {
  const names = Array.from({ length: 40 }, (_, n) => `web-${n}`);
  for (const wanted of [names, ['web-0']]) {
    const world = watchFrom(wanted);
    const running = world.begin();
    await world.clock.advance(0);
    const nodes = '0123456789abcdef'.split('').map(nodeId);
    for (const [n, name] of names.entries()) {
      world.put(layout.workload(name as WorkloadName), workloadCodec.encode(workload()));
      world.place(nodes[n % 16] as NodeId, `web-0/${n}`, [nodes[n % 16] as NodeId]);
      await world.clock.advance(0);
    }
    await world.assertCurrent();
    for (const [n, node] of nodes.entries()) world.status(node, `web-0/${n}`, 'running');
    await world.assertCurrent();
    assert.ok(world.seen.watches <= 2 + 3 * 8 + 3, `${world.seen.watches} watches`);
    await world.end();
    await running;
  }
});

test('who waits for a global workload sees nodes come', async () => {
  const world = watchFrom(['all']);
  world.put(layout.workload('all' as WorkloadName), workloadCodec.encode(workload({ scale: { kind: 'global' } })));
  const running = world.begin();
  await world.assertCurrent();
  world.put(layout.presence(b), presence('b'));
  await world.assertCurrent();
  await world.end();
  await running;
});
