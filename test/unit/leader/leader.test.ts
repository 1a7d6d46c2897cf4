import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { presenceCodec, statusCodec } from '../../../src/cluster/codecs.ts';
import { AgentError, errorCodeOf } from '../../../src/domain/errors.ts';
import type { InstanceKey, NodeId, WorkloadName } from '../../../src/domain/ids.ts';
import { nodeId } from '../plan/plan-cluster-world.ts';
import { electionKey, LeaderFixture, layout, settledFixture, TTL_MS } from './leader-fixture.ts';

const fixtures: LeaderFixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.close();
});

async function settled(workloads: Parameters<typeof settledFixture>[0]): Promise<LeaderFixture> {
  const fixture = await settledFixture(workloads);
  fixtures.push(fixture);
  return fixture;
}

const [a, b] = [nodeId('a'), nodeId('b')];

test('Leader places what is submitted, before and after its term began', async () => {
  const fixture = await settled({ web: { replicas: 2 } });
  assert.deepEqual(fixture.orders(), ['web/0 a run', 'web/1 b run']);
  fixture.setWorkload('db', { mode: 'stop' });
  await fixture.settle();
  assert.deepEqual(fixture.orders(), ['db/0 c run', 'web/0 a run', 'web/1 b run']);
  assert.deepEqual(fixture.linesOf('instance placed').at(-1), {
    instance: 'db/0',
    from: undefined,
    to: nodeId('c'),
    reason: 'new instance',
    term: fixture.store.get(electionKey)?.createRevision,
  });
});

test('Leader makes no request while nothing changes, but to list anew now and then', async () => {
  const fixture = await settled({ web: { replicas: 3 } });
  const before = new Map(fixture.kv.calls);
  await fixture.clock.advance(1_700_000);
  assert.deepEqual(fixture.kv.calls, before);
  assert.equal(fixture.outcome, undefined);
});

test('Leader runs a keep instance elsewhere within a second and a half of its node’s presence being gone', async () => {
  const fixture = await settled({ web: {} });
  fixture.delete(layout.presence(a));
  await fixture.clock.advance(990);
  assert.deepEqual(fixture.orders(), ['web/0 a run']);
  await fixture.clock.advance(20);
  assert.deepEqual(fixture.orders(), ['web/0 a run superseded', 'web/0 b run']);
  const [line] = fixture.linesOf('instance replaced');
  assert.deepEqual([line?.['from'], line?.['to'], line?.['reason']], [a, b, 'a lost for 1.0 s']);
});

test('Leader leaves a node alone that registers again within a second', async () => {
  const fixture = await settled({ web: {} });
  fixture.delete(layout.presence(a));
  await fixture.clock.advance(900);
  fixture.setPresence(a, 'up');
  await fixture.clock.advance(60_000);
  assert.deepEqual(fixture.orders(), ['web/0 a run']);
  assert.deepEqual(fixture.linesOf('node lost'), []);
});

test('Leader replaces a stop instance a TTL and a tenth after it saw presence vanish, not before', async () => {
  const fixture = await settled({ db: { mode: 'stop' } });
  fixture.delete(layout.presence(a));
  await fixture.clock.advance(1.1 * TTL_MS - 10);
  assert.deepEqual(fixture.orders(), ['db/0 a run']);
  await fixture.clock.advance(20);
  assert.deepEqual(fixture.orders(), ['db/0 a stop superseded', 'db/0 b run']);
});

for (const [says, reports, afterMs] of [
  ['says nothing new for three seconds', false, 3_000],
  ['has said what runs', true, 100],
] as const) {
  test(`Leader ends a replaced copy by the word of an agent that has just come once that ${says}`, async () => {
    const fixture = await settled({ web: {} });
    fixture.delete(layout.presence(a));
    await fixture.settle();
    await fixture.clock.advance(1_500);
    await fixture.settle();
    assert.deepEqual(fixture.orders(), ['web/0 a run superseded', 'web/0 b run']);
    fixture.put(layout.presence(b), presenceCodec, { nonce: 'another', bootId: 'b', ttlMs: TTL_MS, state: 'up' });
    fixture.setPresence(a, 'up');
    if (reports) {
      const key = layout.status(b, 'web/0' as InstanceKey);
      fixture.putText(key, fixture.store.get(key)?.value ?? '');
    }
    await fixture.clock.advance(afterMs - 100);
    if (!reports) assert.deepEqual(fixture.orders(), ['web/0 a run superseded', 'web/0 b run']);
    await fixture.clock.advance(200);
    assert.deepEqual(fixture.orders(), ['web/0 a stop superseded', 'web/0 b run']);
  });
}

/** It says that its copy of web/0 is well, as it's ordered now. */
function sayWell(fixture: LeaderFixture, node: NodeId): void {
  const key = layout.assignment(node, 'web/0' as InstanceKey);
  const order = fixture.store.get(key);
  fixture.put(layout.status(node, 'web/0' as InstanceKey), statusCodec, {
    ...{ assignmentRevision: order?.modRevision ?? 0, spec: 1, phase: 'running', healthy: true, health: 'none' },
    ...{ since: fixture.clock.wallTime().toISOString(), restarts: 0 },
  });
}

for (const [what, state, nonce] of [
  ['has just come', 'up', 'another'],
  ['is away', 'away', 'n'],
] as const) {
  test(`Leader goes by no older copy, well as that may be, while the agent of the one that counts ${what}`, async () => {
    const fixture = await settled({ web: {} });
    fixture.delete(layout.presence(a));
    await fixture.clock.advance(1_500);
    sayWell(fixture, b);
    await fixture.clock.advance(600_000);
    fixture.setPresence(a, 'up');
    fixture.put(layout.presence(b), presenceCodec, { nonce, bootId: 'b', ttlMs: TTL_MS, state });
    sayWell(fixture, a);
    await fixture.clock.advance(2_000);
    assert.deepEqual(fixture.orders(), ['web/0 a run superseded', 'web/0 b run']);
    fixture.setPresence(b, 'up');
    await fixture.clock.advance(4_000);
    assert.deepEqual(fixture.orders(), ['web/0 a stop superseded', 'web/0 b run']);
  });
}

test('Leader writes its verdict on a lost node, and takes it back', async () => {
  const fixture = await settled({ web: {} });
  fixture.delete(layout.presence(b));
  await fixture.clock.advance(1_100);
  assert.ok(fixture.verdictOf(b)?.lostSince);
  fixture.setPresence(b, 'up');
  await fixture.settle();
  assert.equal(fixture.verdictOf(b)?.lostSince, undefined);
  assert.equal(fixture.linesOf('node is back').length, 1);
});

const fresh: [name: string, arrange: (fixture: LeaderFixture) => void, predecessor: boolean, afterMs: number][] = [
  ['waits a TTL for a node that it never saw', () => {}, false, TTL_MS],
  ['waits a second for the predecessor whose end it watched', () => {}, true, 1_000],
  [
    'waits a second for a node with an earlier verdict',
    (f) => f.putText(layout.verdict(a), '{"v":1,"lostSince":"x"}'),
    false,
    1_000,
  ],
  [
    'waits a TTL for a node that has registered since an earlier verdict',
    (f) => {
      f.putText(layout.verdict(a), '{"v":1,"lostSince":"x"}');
      f.addNode('a');
      f.delete(layout.presence(a));
    },
    false,
    TTL_MS,
  ],
];
for (const [name, arrange, isPredecessor, afterMs] of fresh) {
  test(`Leader of a fresh term ${name}`, async () => {
    const fixture = await settled({ web: {} });
    await fixture.close();
    const next = new LeaderFixture('b', 'c');
    fixtures.push(next);
    for (const [key, value] of Object.entries(fixture.store.dump()))
      if (key !== layout.presence(a) && key !== electionKey) next.putText(key, value);
    arrange(next);
    next.lead(isPredecessor ? { predecessor: a } : {});
    await next.clock.advance(afterMs - 10);
    assert.deepEqual(next.orders(), ['web/0 a run']);
    await next.clock.advance(20);
    assert.deepEqual(next.orders(), ['web/0 a run superseded', 'web/0 b run']);
  });
}

test('Leader ends its term at the first write that its election key no longer covers', async () => {
  for (const depose of [
    (f: LeaderFixture) => f.delete(electionKey),
    (f: LeaderFixture) => {
      f.delete(electionKey);
      f.putText(electionKey, '{}');
    },
    (f: LeaderFixture) => f.putText(electionKey, 'garbage'),
  ]) {
    const fixture = await settled({ web: {} });
    depose(fixture);
    await fixture.clock.advance(100);
    assert.equal(fixture.outcome, undefined);
    fixture.setWorkload('late');
    await fixture.clock.advance(100);
    assert.equal(errorCodeOf(fixture.failure), 'FENCED');
    assert.deepEqual(fixture.orders(), ['web/0 a run']);
  }
});

test('Leader resolves when it is told to end', async () => {
  const fixture = await settled({ web: {} });
  await fixture.close();
  assert.equal(fixture.outcome, 'resolved');
  assert.equal(fixture.clock.pendingTimers, 0);
});

test('Leader whose passes do not succeed for three TTLs steps down, and says why', async () => {
  const fixture = await settled({ web: {} });
  fixture.kv.commit = () => Promise.reject(new AgentError('UNAVAILABLE', 'Cannot commit: dropped'));
  fixture.setWorkload('late');
  await fixture.clock.advance(3 * TTL_MS - 100);
  assert.equal(fixture.outcome, undefined);
  await fixture.clock.advance(2_100);
  assert.match(fixture.failure.message, /^Cannot go on leading: expected a pass to succeed within 30000 ms/);
  assert.match(String((fixture.failure.cause as Error).message), /dropped/);
});

test('Leader of a store out of space leads on, since no other could write more, and goes on when there is room', async () => {
  const fixture = await settled({ web: {} });
  fixture.setWorkload('late');
  fixture.store.setFull(true);
  await fixture.clock.advance(10 * TTL_MS);
  assert.equal(fixture.outcome, undefined);
  fixture.store.setFull(false);
  const isPlaced = () => fixture.store.list(layout.instances).some(({ key }) => key.includes('late'));
  await fixture.clock.advanceUntil(isPlaced, 5_000);
});

test('Leader plans again what somebody else has overtaken', async () => {
  const fixture = await settled({ web: {} });
  fixture.kv.setFaults({ delayMs: 50 });
  fixture.setWorkload('db');
  await fixture.clock.advance(60);
  // The plan is under way to the store now: what it was made for changes.
  fixture.setWorkload('db', { replicas: 2 });
  await fixture.clock.advance(2_000);
  assert.deepEqual(fixture.orders(), ['db/0 b run', 'db/1 c run', 'web/0 a run']);
  assert.ok(fixture.linesOf('plan overtaken, planning again').length > 0);
});

test('Leader whose commit was applied but not answered goes on from what it did', async () => {
  const fixture = await settled({ web: {} });
  fixture.kv.setFaults({ loseReplies: 1 });
  fixture.setWorkload('port', { replicas: 2, needs: { ports: [{ port: 80, protocol: 'tcp' }] } });
  await fixture.clock.advance(5_000);
  assert.deepEqual(fixture.orders(), ['port/0 b run', 'port/1 c run', 'web/0 a run']);
  assert.equal(fixture.linesOf('pass failed').length, 1);
});

test('Leader does nothing while it is cut off from the store, and goes on where it was', async () => {
  const fixture = await settled({ web: {} });
  fixture.kv.cutOff();
  fixture.setWorkload('db');
  fixture.delete(layout.presence(a));
  await fixture.clock.advance(20_000);
  assert.deepEqual(fixture.orders(), ['web/0 a run']);
  fixture.setPresence(a, 'up');
  fixture.kv.reconnect();
  await fixture.clock.advance(3_000);
  assert.deepEqual(fixture.orders(), ['db/0 b run', 'web/0 a run']);
});

const garbage: [what: string, key: string][] = [
  ['a record of a node', layout.nodeRecord(nodeId('c'))],
  ['a node’s settings', layout.nodeSettings(nodeId('c'))],
  ['a workload', layout.workload('bad' as WorkloadName)],
  ['an instance', layout.instance('web/0' as InstanceKey)],
  ['an assignment', layout.assignment(a, 'web/0' as InstanceKey)],
  ['an assignment of nobody', layout.assignment(a, 'nobody/0' as InstanceKey)],
  ['a status', layout.status(a, 'web/0' as InstanceKey)],
  ['a key of no shape', `${layout.assignments}x/y/z/../?`],
  ['a key below nodes', `${layout.nodes}nobody/record`],
];
for (const [what, key] of garbage) {
  test(`Leader leaves ${what} that it cannot read alone, says so once, and goes on`, async () => {
    const fixture = await settled({ web: {} });
    fixture.putText(key, 'garbage');
    fixture.setWorkload('db', { replicas: 2 });
    await fixture.settle();
    fixture.setWorkload('db', { replicas: 3 });
    await fixture.settle();
    const about = fixture.linesOf('stored value left alone').filter((fields) => fields['key'] === key);
    assert.equal(about.length, 1);
    fixture.delete(`${layout.assignments}x/y/z/../?`);
    fixture.delete(layout.assignment(a, 'nobody/0' as InstanceKey));
    assert.equal(fixture.store.list(layout.assignments).filter((kv) => kv.key.includes('/db/')).length, 3);
    if (key.startsWith(layout.instances)) assert.equal(fixture.store.get(key)?.value, 'garbage');
  });
}

test('Leader takes a node whose presence it cannot read for present', async () => {
  const fixture = await settled({ web: {} });
  fixture.putText(layout.presence(a), '{"v":2}');
  await fixture.clock.advance(100_000);
  assert.deepEqual(fixture.orders(), ['web/0 a run']);
});

test('Leader removes a workload with all of its specs, however many there are', async () => {
  const fixture = await settled({ web: { replicas: 2 } });
  for (let spec = 2; spec <= 250; spec += 1) fixture.putText(layout.spec('web' as WorkloadName, spec), '{}');
  fixture.setWorkload('web', { replicas: 2, removing: true });
  await fixture.settle();
  assert.deepEqual(
    fixture.store
      .list(layout.root)
      .map(({ key }) => key)
      .filter((key) => key.includes('web')),
    [],
  );
});

test('Leader places a thousand instances in few transactions, none beyond etcd’s limits', async () => {
  const fixture = new LeaderFixture(...Array.from({ length: 10 }, (_none, index) => `n${index}`));
  fixtures.push(fixture);
  fixture.setWorkload('web', { replicas: 1_000 });
  const before = fixture.store.revision;
  fixture.lead();
  await fixture.clock.advance(1_000);
  assert.equal(fixture.orders().length, 1_000);
  assert.ok(fixture.store.revision - before <= 26, `${fixture.store.revision - before} transactions`);
});
