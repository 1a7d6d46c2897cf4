import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { statusCodec } from '../../../src/cluster/codecs.ts';
import type { InstanceKey } from '../../../src/domain/ids.ts';
import type { ClusterFigures } from '../../../src/leader/cluster-figures.ts';
import { nodeId } from '../plan/plan-cluster-world.ts';
import { LeaderFixture, layout } from './leader-fixture.ts';

const fixtures: LeaderFixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.close();
});

const [a, b, c] = [nodeId('a'), nodeId('b'), nodeId('c')];

/** Three nodes with this work, led until all is settled. */
async function settled(workloads: Record<string, Parameters<LeaderFixture['setWorkload']>[1]>): Promise<LeaderFixture> {
  const fixture = new LeaderFixture('a', 'b', 'c');
  fixtures.push(fixture);
  for (const [name, options] of Object.entries(workloads)) fixture.setWorkload(name, options);
  fixture.lead();
  await fixture.settle();
  return fixture;
}

function figuresOf(fixture: LeaderFixture): ClusterFigures {
  const cluster = fixture.leader?.figures?.cluster;
  assert.ok(cluster, 'the leader has read the cluster');
  return cluster;
}

test('the leader counts what is desired, what is healthy, and which phases there are', async () => {
  const fixture = await settled({ web: { replicas: 3 }, db: {}, agent: { global: true }, old: { desired: 'stop' } });
  const { workloads, healthyWorkloads, phases, pending, isHeld } = figuresOf(fixture);
  assert.deepEqual(workloads, { run: 3, stop: 1 });
  assert.equal(healthyWorkloads, 3);
  assert.equal(phases.get('running'), 7);
  assert.deepEqual([pending, isHeld], [0, false]);
});

test('a workload with an instance that waits, or is not healthy, is not healthy', async () => {
  const fixture = await settled({ web: { replicas: 2 }, big: { needs: { memoryBytes: 10_000 } } });
  assert.equal(figuresOf(fixture).pending, 1);
  assert.equal(figuresOf(fixture).healthyWorkloads, 1);
  const key = layout.status(a, 'web/0' as InstanceKey);
  const stored = fixture.store.get(key);
  assert.ok(stored, 'the first instance is on the first node');
  const status = statusCodec.decode(stored.value, key);
  fixture.put(key, statusCodec, { ...status, phase: 'failed', healthy: false });
  await fixture.clock.advance(10);
  assert.equal(figuresOf(fixture).healthyWorkloads, 0);
  assert.deepEqual(Object.fromEntries(figuresOf(fixture).phases), { running: 1, failed: 1 });
});

test('a unit that has ended well is as good as one that runs, a container that has is not', async () => {
  const fixture = await settled({ 'job.service': {}, job: {} });
  for (const [node, name] of [
    [a, 'job'],
    [b, 'job.service'],
  ] as const) {
    const key = layout.status(node, `${name}/0` as InstanceKey);
    const status = statusCodec.decode(fixture.store.get(key)?.value ?? '', key);
    fixture.put(key, statusCodec, { ...status, phase: 'stopped', healthy: false, startedAt: 'then', exitCode: 0 });
  }
  await fixture.clock.advance(10);
  assert.equal(figuresOf(fixture).healthyWorkloads, 1);
});

test('a unit that is only to be installed needn’t run', async () => {
  const fixture = await settled({ 'late.service': { launch: false } });
  const key = layout.status(a, 'late.service/0' as InstanceKey);
  const status = statusCodec.decode(fixture.store.get(key)?.value ?? '', key);
  for (const [phase, healthy] of [
    ['stopped', 1],
    ['failed', 0],
  ] as const) {
    fixture.put(key, statusCodec, { ...status, phase, healthy: false });
    await fixture.clock.advance(10);
    assert.equal(figuresOf(fixture).healthyWorkloads, healthy, phase);
  }
});

test('nodes are counted by their state, and by what keeps work off them', async () => {
  const fixture = await settled({ web: { replicas: 3, mode: 'stop' } });
  fixture.setSettings(a, { cordoned: true });
  fixture.setPresence(b, 'away');
  fixture.delete(layout.presence(c));
  await fixture.clock.advance(10);
  const { nodes, unschedulable, phases, healthyWorkloads } = figuresOf(fixture);
  assert.deepEqual(nodes, { up: 1, leaving: 0, away: 1, 'in-doubt': 0, lost: 1 });
  assert.deepEqual(unschedulable, { cordoned: 1, draining: 0, calm: 0 });
  assert.equal(phases.get('lost'), 1, 'what runs on a lost node is lost, whatever it last said');
  assert.equal(healthyWorkloads, 0);
});

test('a hold is told while it holds, and nothing of a cluster that is not led', async () => {
  const fixture = await settled({ web: { replicas: 3 } });
  fixture.delete(layout.presence(a));
  fixture.delete(layout.presence(b));
  await fixture.clock.advance(3_000);
  assert.ok(fixture.hold, 'two of three are held');
  assert.equal(figuresOf(fixture).isHeld, true);
  const { leader } = fixture;
  await fixture.close();
  assert.equal(leader?.figures, undefined);
});

test('steps and passes are told as they are made', async () => {
  const fixture = new LeaderFixture('a', 'b', 'c');
  fixtures.push(fixture);
  const steps: string[] = [];
  let passes = 0;
  fixture.setWorkload('web', { replicas: 2 });
  fixture.lead({}, { onStep: (action) => steps.push(action), onPass: () => (passes += 1) });
  await fixture.settle();
  assert.deepEqual(steps, ['place', 'place']);
  assert.ok(passes >= 2, `${passes}`);
});
