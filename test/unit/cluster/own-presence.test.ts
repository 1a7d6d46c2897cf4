import assert from 'node:assert/strict';
import { test } from 'node:test';
import { presenceCodec } from '../../../src/cluster/codecs.ts';
import { watchOwnPresence } from '../../../src/cluster/own-presence.ts';
import { AgentError } from '../../../src/domain/errors.ts';

test('a presence whose watch is compacted past each time is given up, not looked at at full speed', async () => {
  const value = presenceCodec.encode({ nonce: 'mine', bootId: 'b', ttlMs: 4_000, state: 'up' });
  let looks = 0;
  const kv = {
    get: async () => {
      looks += 1;
      const found = { key: 'presence', value, createRevision: 1, modRevision: 1, version: 1, lease: '7' };
      return { kv: found, clusterId: 'c', raftTerm: 2, revision: 9 };
    },
    watch: () => Promise.reject(new AgentError('STALE', 'Cannot watch: compacted')),
  };
  const watching = watchOwnPresence(
    { kv, key: 'presence', nonce: 'mine', onOwn: () => {} },
    new AbortController().signal,
  );
  await assert.rejects(watching, { code: 'UNAVAILABLE' });
  assert.ok(looks < 10, `${looks} looks`);
});
