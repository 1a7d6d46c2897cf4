import assert from 'node:assert/strict';
import { test } from 'node:test';
import { instanceCodec, statusCodec } from '../../../src/cluster/codecs.ts';
import type { InstanceKey, WorkloadName } from '../../../src/domain/ids.ts';
import { WakeTimes } from '../../../src/leader/wake-times.ts';
import { nodeId, type WorkloadOptions } from '../plan/plan-cluster-world.ts';
import { electionKey, LeaderFixture, layout } from './leader-fixture.ts';

const a = nodeId('a');
const b = nodeId('b');
const web = 'web/0' as InstanceKey;

async function settled(options: WorkloadOptions): Promise<LeaderFixture> {
  const fixture = new LeaderFixture('a', 'b', 'c');
  fixture.setWorkload('web', options);
  fixture.lead();
  await fixture.settle();
  assert.deepEqual(fixture.orders(), ['web/0 a run']);
  return fixture;
}

function record(fixture: LeaderFixture) {
  return instanceCodec.decode(fixture.store.get(layout.instance(web))?.value ?? '', 'record');
}

test('Leader replaces what was to wait for its node when that time is over, though nothing else happens', async () => {
  const fixture = await settled({ replaceAfterMs: 600_000 });
  fixture.delete(layout.presence(a));
  await fixture.clock.advance(5_000);
  assert.match(record(fixture).pending?.reason ?? '', /replaced once that has lasted for 10m/);
  const { revision } = fixture.store;
  await fixture.clock.advance(590_000);
  assert.deepEqual(fixture.orders(), ['web/0 a run']);
  assert.equal(fixture.store.revision, revision, 'nothing is written meanwhile');
  await fixture.clock.advance(6_050);
  assert.deepEqual(fixture.orders(), ['web/0 a run superseded', 'web/0 b run']);
  await fixture.close();
});

test('Leader that is new goes on counting from the verdict of the one before', async () => {
  const fixture = await settled({ replaceAfterMs: 600_000 });
  fixture.delete(layout.presence(a));
  await fixture.clock.advance(401_000);
  await fixture.close();
  const next = new LeaderFixture();
  for (const { key, value } of fixture.store.list(layout.root)) if (key !== electionKey) next.putText(key, value);
  await next.clock.advance(401_000);
  next.lead();
  await next.clock.advance(198_500);
  assert.deepEqual(next.orders(), ['web/0 a run']);
  await next.clock.advance(3_000);
  assert.deepEqual(next.orders(), ['web/0 a run superseded', 'web/0 b run']);
  await next.close();
});

test('Leader tries elsewhere what keeps failing, and the next time only when the delay is over', async () => {
  const fixture = await settled({ reschedule: { afterRestarts: 1, delayMs: 30_000, maxDelayMs: 60_000 } });
  const fail = (node: typeof a) => {
    const { modRevision = 0 } = fixture.store.get(layout.assignment(node, web)) ?? {};
    fixture.put(layout.status(node, web), statusCodec, {
      assignmentRevision: modRevision,
      spec: 1,
      phase: 'failed',
      healthy: false,
      health: 'none',
      since: fixture.clock.wallTime().toISOString(),
      restarts: 1,
      failures: 2,
      lastError: 'no such image',
    });
  };
  fail(a);
  await fixture.clock.advance(50);
  assert.ok(fixture.orders().includes('web/0 b run'), fixture.orders().join());
  fail(b);
  await fixture.clock.advance(29_000);
  assert.ok(fixture.orders().includes('web/0 b run'), fixture.orders().join());
  await fixture.clock.advance(1_050);
  assert.ok(fixture.orders().includes('web/0 c run'), fixture.orders().join());
  assert.deepEqual(
    record(fixture).moves.map(({ reason }) => reason),
    ['new instance', 'keeps failing on a: no such image', 'keeps failing on b: no such image'],
  );
  await fixture.close();
});

test('WakeTimes keeps what a plan asked for until a plan has looked again', () => {
  const [x, y] = ['x', 'y'] as WorkloadName[] as [WorkloadName, WorkloadName];
  const wakes = new WakeTimes();
  assert.equal(wakes.nextInMs(0), undefined);
  wakes.learn(
    'all',
    new Map([
      [x, 100],
      [y, 50],
    ]),
    1_000,
  );
  assert.equal(wakes.nextInMs(1_010), 40);
  assert.deepEqual(wakes.due(1_049), []);
  assert.deepEqual(wakes.due(1_050), [y]);
  assert.deepEqual(wakes.due(1_100), [x, y], 'still due');
  wakes.learn(new Set([y]), new Map(), 1_100);
  assert.deepEqual(wakes.due(1_100), [x]);
  wakes.learn('all', new Map(), 1_100);
  assert.equal(wakes.nextInMs(1_100), undefined);
});
