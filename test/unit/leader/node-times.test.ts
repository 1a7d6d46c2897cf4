import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PresenceState } from '../../../src/domain/node.ts';
import { LossClock } from '../../../src/leader/loss-clock.ts';
import { ageAbsent, noBrake, noteHandover } from '../../../src/leader/node-times.ts';
import { NodeEntry } from '../../../src/leader/state-entries.ts';
import { standingOf } from '../../../src/plan/plan-cluster-loss.ts';
import { nodeId } from '../plan/plan-cluster-world.ts';

const id = nodeId('1');
const TTL_MS = 10_000;
const AWAY_MS = 60_000;
const said = (state: PresenceState, revision: number) => ({
  value: { nonce: 'n', bootId: 'b', ttlMs: state === 'away' ? AWAY_MS : TTL_MS, state },
  revision,
});

/** Its presence was that, at 0, and is gone since 5 s. */
function entryAfter(state: PresenceState): NodeEntry {
  const node = new NodeEntry(id, TTL_MS);
  noteHandover(node, said(state, 7), 0);
  noteHandover(node, said(state, 7), 4_000);
  return node;
}
const standingAt = (node: NodeEntry, nowMs: number) => {
  ageAbsent(node, { forMs: nowMs - 5_000, trustInMs: 0 }, nowMs, noBrake);
  return [standingOf(node, 'keep'), standingOf(node, 'stop')];
};

test('ageAbsent() counts a node lost for "stop" instances 1.1 TTL after its presence went', () => {
  const node = entryAfter('up');
  assert.deepEqual(standingAt(node, 15_900), ['lost', 'missing']);
  assert.deepEqual(standingAt(node, 16_000), ['lost', 'lost']);
});

test('ageAbsent() lets what an agent left running run out, also when the store has dropped its lease early', () => {
  const node = entryAfter('away');
  assert.deepEqual(standingAt(node, 16_000), ['lost', 'missing']);
  assert.deepEqual(standingAt(node, AWAY_MS - 1), ['lost', 'missing']);
  assert.deepEqual(standingAt(node, AWAY_MS), ['lost', 'lost']);
});

test('noteHandover() forgets it once the agent is back', () => {
  const node = entryAfter('away');
  noteHandover(node, said('up', 9), 4_500);
  assert.deepEqual(standingAt(node, 16_000), ['lost', 'lost']);
});

test('LossClock knows what a node that it has seen, or whose candidacy it watched, was bound to; of others it does not', () => {
  const clock = new LossClock({ ttlMs: TTL_MS, termBeganMs: 0, predecessor: nodeId('2') });
  clock.present(nodeId('3'));
  assert.equal(clock.absent(nodeId('3'), 1, false), true);
  assert.equal(clock.absent(nodeId('2'), 1, false), true);
  assert.equal(clock.absent(nodeId('1'), 1, true), false);
});
