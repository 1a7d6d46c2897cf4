import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { calmMs } from '../../../src/leader/verdicts.ts';
import { nodeId } from '../plan/plan-cluster-world.ts';
import { LeaderFixture, layout } from './leader-fixture.ts';

const fixtures: LeaderFixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.close();
});

const settings = { firstMs: 30_000, mostMs: 1_800_000 };
const [a, c] = [nodeId('a'), nodeId('c')];

const growth: [flaps: number, seconds: number][] = [
  [0, 0],
  [1, 0],
  [2, 30],
  [3, 60],
  [4, 120],
  [8, 1_800],
  [1_000, 1_800],
];
for (const [flaps, seconds] of growth) {
  test(`calmMs() gives a node ${seconds} s after ${flaps} losses`, () => {
    assert.equal(calmMs(flaps, settings), seconds * 1_000);
  });
}

async function open(): Promise<LeaderFixture> {
  const fixture = new LeaderFixture('a', 'b', 'c', 'd', 'e', 'f');
  fixtures.push(fixture);
  for (const name of ['b', 'd', 'e', 'f']) fixture.setSettings(nodeId(name), { cordoned: true });
  fixture.lead();
  await fixture.settle();
  return fixture;
}

/** The node goes and comes back, so often. */
async function flap(fixture: LeaderFixture, times: number, how: 'lost' | 'in order' = 'lost'): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    if (how === 'in order') fixture.setPresence(a, 'leaving');
    await fixture.clock.advance(50);
    fixture.delete(layout.presence(a));
    await fixture.clock.advance(3_000);
    fixture.setPresence(a, 'up');
    await fixture.clock.advance(100);
  }
}

test('a node that comes and goes gets new work only after a calm time, and explains why', async () => {
  const fixture = await open();
  fixture.setSettings(c, { cordoned: true });
  await flap(fixture, 3);
  assert.equal(fixture.verdictOf(a)?.flaps, 3);
  fixture.setWorkload('web');
  await fixture.clock.advance(1_000);
  assert.deepEqual(fixture.orders(), []);
  const stored = fixture.store.list(layout.instances)[0]?.value ?? '';
  assert.match(stored, /was lost 3 times of late, gets new work from 00:01:\d\d UTC/);
  await fixture.clock.advance(57_000);
  assert.deepEqual(fixture.orders(), []);
  await fixture.clock.advance(3_000);
  assert.deepEqual(fixture.orders(), ['web/0 a run']);
});

test('a node that was lost once of late gets new work at once', async () => {
  const fixture = await open();
  fixture.setSettings(c, { cordoned: true });
  await flap(fixture, 1);
  fixture.setWorkload('web');
  await fixture.clock.advance(100);
  assert.deepEqual(fixture.orders(), ['web/0 a run']);
});

test('a flapping node keeps what it runs', async () => {
  const fixture = await open();
  fixture.setWorkload('data', { sticky: true, placement: { machineIds: ['a'] } });
  await fixture.settle();
  await flap(fixture, 4);
  await fixture.settle();
  assert.deepEqual(fixture.orders(), ['data/0 a run']);
});

test('a machine that goes down in order does not flap', async () => {
  const fixture = await open();
  await flap(fixture, 3, 'in order');
  assert.equal(fixture.verdictOf(a), undefined);
});

test('losses are forgotten, one with each calm hour', async () => {
  const fixture = await open();
  await flap(fixture, 2);
  await fixture.clock.advance(3_700_000);
  await flap(fixture, 1);
  assert.equal(fixture.verdictOf(a)?.flaps, 2);
  await fixture.clock.advance(3 * 3_700_000);
  assert.equal(fixture.verdictOf(a), undefined);
});

test('a new leader keeps to the calm that an earlier one has begun', async () => {
  const before = await open();
  before.setSettings(c, { cordoned: true });
  await flap(before, 2);
  const verdict = before.store.get(layout.verdict(a))?.value ?? '';
  const fixture = new LeaderFixture('a');
  fixtures.push(fixture);
  fixture.putText(layout.verdict(a), verdict);
  fixture.setWorkload('web');
  fixture.lead();
  await fixture.clock.advance(20_000);
  assert.deepEqual(fixture.orders(), []);
  await fixture.clock.advance(20_000);
  assert.deepEqual(fixture.orders(), ['web/0 a run']);
});

test('a leader that has many nodes to declare lost does other work in between', async () => {
  const names = Array.from({ length: 300 }, (_none, at) => `n${at}`);
  const fixture = new LeaderFixture(...names);
  fixtures.push(fixture);
  fixture.lead();
  await fixture.settle();
  const { clock, kv } = fixture;
  const commit = kv.commit.bind(kv);
  const written: string[] = [];
  kv.commit = async (txn, signal) => {
    written.push(...txn.writes.map((write) => ('put' in write ? write.put : write.delete)));
    await clock.sleep(5, signal);
    return commit(txn, signal);
  };
  const verdicts = () => written.filter((key) => key.endsWith('/verdict')).length;
  for (const name of names.slice(0, 250)) fixture.delete(layout.presence(nodeId(name)));
  for (let ms = 0; verdicts() === 0 && ms < 5_000; ms += 10) await clock.advance(10);
  fixture.setWorkload('web');
  await clock.advance(5_000);
  assert.equal(verdicts(), 250);
  const placedAt = written.findIndex((key) => key.startsWith(layout.assignments));
  const before = written.slice(0, placedAt).filter((key) => key.endsWith('/verdict')).length;
  assert.ok(placedAt >= 0 && before <= 100, `placed after ${before} verdicts`);
});
