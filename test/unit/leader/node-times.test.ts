import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeRecordCodec } from '../../../src/cluster/codecs.ts';
import type { PresenceState } from '../../../src/domain/node.ts';
import { ClusterState } from '../../../src/leader/cluster-state.ts';
import { LossClock } from '../../../src/leader/loss-clock.ts';
import { ageAbsent, noBrake, noteHandover } from '../../../src/leader/node-times.ts';
import { NodeEntry } from '../../../src/leader/state-entries.ts';
import { standingOf } from '../../../src/plan/plan-cluster-loss.ts';
import { nodeId, World } from '../plan/plan-cluster-world.ts';
import { layout } from './leader-fixture.ts';

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

test('ClusterState asks the record of a node that nobody has seen go what lease its agent left', () => {
  const standingsAfter = (handoverMs: number | undefined, ms: number) => {
    const lossClock = new LossClock({ ttlMs: TTL_MS, termBeganMs: 0, predecessor: undefined });
    const state = new ClusterState({ layout, ttlMs: TTL_MS, lossClock, agentAwayMs: 90_000, onUnreadable: () => {} });
    const world = new World();
    world.addNode('1');
    const record = world.records.get(id);
    const key = layout.nodeRecord(id);
    const value =
      record === undefined || handoverMs === undefined
        ? 'unreadable'
        : nodeRecordCodec.encode({ ...record, ...(handoverMs > 0 ? { handoverMs } : {}) });
    state.absorb(new Map([[key, { key, value, modRevision: 1, createRevision: 1, lease: '0' }]]), 'all', 0);
    const node = state.view(ms, '1970-01-01T00:00:00.000Z').nodes.get(id);
    return [standingOf(node, 'keep'), standingOf(node, 'stop')];
  };
  assert.deepEqual(standingsAfter(0, 11_000), ['lost', 'lost']);
  assert.deepEqual(standingsAfter(AWAY_MS, AWAY_MS - 1), ['lost', 'missing']);
  assert.deepEqual(standingsAfter(AWAY_MS, AWAY_MS), ['lost', 'lost']);
  assert.deepEqual(standingsAfter(undefined, 89_999), ['lost', 'missing']);
  assert.deepEqual(standingsAfter(undefined, 90_000), ['lost', 'lost']);
});

test('LossClock knows what a node that it has seen was bound to; of others, the predecessor too, it does not', () => {
  const clock = new LossClock({ ttlMs: TTL_MS, termBeganMs: 0, predecessor: nodeId('2') });
  clock.present(nodeId('3'));
  assert.equal(clock.absent(nodeId('3'), 1, false), true);
  assert.equal(clock.absent(nodeId('2'), 1, false), false);
  assert.equal(clock.absent(nodeId('1'), 1, true), false);
});
