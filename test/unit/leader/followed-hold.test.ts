import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { NodeId } from '../../../src/domain/ids.ts';
import type { Hold } from '../../../src/domain/node.ts';
import { FollowedHold } from '../../../src/leader/followed-hold.ts';
import { nodeId } from '../plan/plan-cluster-world.ts';
import { LeaderFixture, layout, TTL_MS } from './leader-fixture.ts';

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(nodeId) as [NodeId, NodeId, NodeId, NodeId];
const onFour = ['web/0 a run', 'web/1 b run', 'web/2 c run', 'web/3 d run'];
const fixtures: LeaderFixture[] = [];
afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.close();
});

/** Node a has lost its lease, and b, which has missed a renewal by then, keeps its own for 1.9 s more; both are held. */
async function holdWithSilent(holdMs?: number): Promise<LeaderFixture> {
  const fixture = new LeaderFixture('a', 'b', 'c', 'd');
  fixtures.push(fixture);
  fixture.setWorkload('web', { replicas: 4 });
  fixture.lead({}, holdMs === undefined ? {} : { settings: { massLoss: { holdMs } } });
  await fixture.settle();
  for (const [node, afterMs] of [
    [a, 0],
    [b, 1_900],
    [c, 1_000],
    [d, 1_000],
  ] as const)
    fixture.beat(node, afterMs);
  await fixture.clock.advance(20_000);
  fixture.die(a);
  await fixture.clock.advance(4_500);
  fixture.die(b);
  await fixture.clock.advanceUntil(() => fixture.hold !== undefined, 20_000);
  assert.deepEqual(fixture.hold?.nodes, [a, b]);
  assert.ok(fixture.store.get(layout.presence(b)) !== undefined, 'b is only silent');
  return fixture;
}

/** Why the hold has ended, if it has. */
function endOf({ hold }: LeaderFixture): string | undefined {
  return hold?.ended?.reason;
}

test('Brake takes no silent node for one that came back: where none does, its hold lasts until its time is over', async () => {
  const holdMs = 10_000;
  const fixture = await holdWithSilent(holdMs);
  await fixture.clock.advance(holdMs - 200);
  assert.equal(endOf(fixture), undefined);
  assert.deepEqual(fixture.orders(), onFour);
  await fixture.clock.advance(400);
  assert.equal(endOf(fixture), 'its time is over');
});

test('Brake takes a silent node that is still there a TTL later for one that was never gone', async () => {
  const fixture = await holdWithSilent();
  const again = fixture.store.get(layout.presence(b))?.lease ?? '';
  for (let renewal = 0; renewal < 9; renewal += 1) {
    fixture.store.renewLease(again);
    await fixture.clock.advance(TTL_MS / 8);
  }
  assert.equal(endOf(fixture), undefined, 'others may still come back');
  await fixture.clock.advance(1_300);
  assert.equal(endOf(fixture), 'enough of its nodes are back');
  assert.ok(fixture.orders().includes('web/0 a run superseded'), fixture.orders().join());
});

test('FollowedHold counts a node that goes again as gone, and gives the others their time anew', () => {
  const going = new Set([a, b, c]);
  const hold: Hold = { kind: 'mass-loss', since: '', until: '', reason: '', nodes: [a, b, c] };
  const isGoing = (node: NodeId) => going.has(node);
  const followed = new FollowedHold({ hold, nowMs: 0, endsAtMs: 50_000, ttlMs: TTL_MS, isGoing });
  const look = (nowMs: number): [still: number, returnedAtMs: number | undefined] => {
    followed.look(hold, nowMs);
    return [followed.still, followed.returnedAtMs];
  };
  assert.deepEqual(look(0), [3, undefined]);
  going.delete(a);
  assert.deepEqual(look(1_000), [2, 1_000]);
  assert.deepEqual(look(2_000), [2, 1_000]);
  going.add(a);
  assert.deepEqual(look(3_000), [3, 3_000]);
  going.clear();
  assert.deepEqual(look(4_000), [0, 4_000]);
});

test('FollowedHold tells a node that is gone from one that may go, until a TTL has passed', () => {
  const hold: Hold = { kind: 'mass-loss', since: '', until: '', reason: '', nodes: [a, b] };
  const followed = new FollowedHold({
    ...{ hold, nowMs: 0, endsAtMs: 50_000, ttlMs: TTL_MS },
    isGoing: (node) => node === a,
  });
  for (const [nowMs, still, returnedAtMs] of [
    [0, 2, undefined],
    [TTL_MS - 1, 2, undefined],
    [TTL_MS, 1, 0],
  ] as const) {
    followed.look(hold, nowMs);
    assert.deepEqual([followed.going, followed.still, followed.returnedAtMs], [1, still, returnedAtMs]);
  }
});
