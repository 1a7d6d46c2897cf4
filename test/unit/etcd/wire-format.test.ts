import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeTimeToLive } from '../../../src/etcd/wire-format.ts';

const header = { cluster_id: '1', member_id: '2', revision: '3', raft_term: '4' };

function answer(TTL: string) {
  return { header, ID: '7587', TTL, grantedTTL: '10', keys: [] };
}

test('the time left of a lease is told in milliseconds, and is 0 of one that is gone', () => {
  assert.deepEqual(decodeTimeToLive(answer('7')), { remainingMs: 7_000, grantedMs: 10_000 });
  assert.equal(decodeTimeToLive(answer('-1')).remainingMs, 0);
});

test('a lease that the new leader of etcd has not taken over yet does not live for 292 years', () => {
  assert.throws(() => decodeTimeToLive(answer('9223372036')), { code: 'UNAVAILABLE' });
});
