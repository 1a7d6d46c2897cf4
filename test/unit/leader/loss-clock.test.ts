import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LossClock } from '../../../src/leader/loss-clock.ts';
import { nodeId } from '../plan/plan-cluster-world.ts';

const [a, b] = [nodeId('a'), nodeId('b')];
const make = () => new LossClock({ ttlMs: 10_000, termBeganMs: 5_000, predecessor: b });

test('LossClock counts from the first word of an absence, and trusts at once what it saw present', () => {
  const clock = make();
  clock.present(a);
  assert.equal(clock.absence(a, 6_000), undefined);
  clock.absent(a, 7_000, false);
  clock.absent(a, 7_500, false);
  assert.deepEqual(clock.absence(a, 8_000), { forMs: 1_000, trustInMs: 0 });
});

test('LossClock begins anew when a node has been present in between', () => {
  const clock = make();
  clock.present(a);
  clock.absent(a, 7_000, false);
  clock.present(a);
  clock.absent(a, 9_000, false);
  assert.deepEqual(clock.absence(a, 9_100), { forMs: 100, trustInMs: 0 });
});

test('LossClock gives a node that it never saw one TTL from the beginning of the term', () => {
  const clock = make();
  clock.absent(a, 5_100, false);
  assert.deepEqual(clock.absence(a, 6_100), { forMs: 1_000, trustInMs: 8_900 });
  assert.deepEqual(clock.absence(a, 20_000), { forMs: 14_900, trustInMs: 0 });
});

test('LossClock trusts an earlier verdict', () => {
  const clock = make();
  clock.absent(a, 5_100, true);
  assert.deepEqual(clock.absence(a, 6_100), { forMs: 1_000, trustInMs: 0 });
});

test('LossClock trusts the first absence of the predecessor, from when it is seen: it may have gone after its candidacy', () => {
  const clock = make();
  clock.absent(b, 5_100, false);
  assert.deepEqual(clock.absence(b, 6_100), { forMs: 1_000, trustInMs: 0 });
  clock.present(b);
  clock.absent(b, 9_000, false);
  assert.deepEqual(clock.absence(b, 9_500), { forMs: 500, trustInMs: 0 });
});

test('LossClock knows nothing of a node that nobody named', () => {
  assert.equal(make().absence(a, 9_000), undefined);
});
