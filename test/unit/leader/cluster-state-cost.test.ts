import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterState } from '../../../src/leader/cluster-state.ts';
import { LossClock } from '../../../src/leader/loss-clock.ts';
import { nodeId, TTL_MS } from '../plan/plan-cluster-world.ts';
import { LeaderFixture, layout } from './leader-fixture.ts';

test('ClusterState looks through the workloads once for all nodes that have changed', () => {
  const names = Array.from({ length: 50 }, (_none, at) => `n${at}`);
  const fixture = new LeaderFixture(...names);
  for (const name of ['web', 'db']) fixture.setWorkload(name);
  fixture.setWorkload('everywhere', { global: true });
  const lossClock = new LossClock({ ttlMs: TTL_MS, termBeganMs: 0, predecessor: undefined });
  const state = new ClusterState({ layout, ttlMs: TTL_MS, lossClock, onUnreadable: assert.fail });
  const entries = new Map(fixture.store.list(layout.root).map((kv) => [kv.key, kv]));
  state.absorb(entries, 'all', 0);
  state.takeDirty();
  let walks = 0;
  const { workloads } = state;
  const values = workloads.values.bind(workloads);
  Object.defineProperty(workloads, 'values', {
    value: () => {
      walks += 1;
      return values();
    },
  });
  const gone = names.map((name) => layout.presence(nodeId(name)));
  for (const key of gone) entries.delete(key);
  state.absorb(entries, new Set(gone), 0);
  state.view(2_000, '');
  assert.deepEqual(state.takeDirty(), new Set(['everywhere']));
  assert.equal(walks, 1);
  assert.deepEqual(state.takeDirty(), new Set());
});
