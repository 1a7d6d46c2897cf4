import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrpcFailure, toAgentError } from '../../../src/etcd/grpc-failure.ts';

const cases: [code: number, details: string, expected: string][] = [
  [1, 'Cancelled', 'UNAVAILABLE'],
  [2, 'raft proposal dropped', 'UNAVAILABLE'],
  [3, 'etcdserver: too many operations in txn request', 'LIMIT'],
  [3, 'etcdserver: request is too large', 'LIMIT'],
  [3, 'etcdserver: duplicate key given in txn request', 'INVALID_INPUT'],
  [3, 'etcdserver: user name is empty', 'UNAUTHENTICATED'],
  [4, 'no answer within 2000 ms', 'UNAVAILABLE'],
  [5, 'etcdserver: requested lease not found', 'NOT_FOUND'],
  [7, 'etcdserver: permission denied', 'FORBIDDEN'],
  [8, 'etcdserver: mvcc: database space exceeded', 'FULL'],
  [8, 'etcdserver: too many requests', 'UNAVAILABLE'],
  [8, 'grpc: received message larger than max (2500000 vs. 2097152)', 'LIMIT'],
  [11, 'etcdserver: mvcc: required revision has been compacted', 'STALE'],
  [11, 'etcdserver: too large lease TTL', 'LIMIT'],
  [12, 'unknown service', 'INTERNAL'],
  [13, 'Received RST_STREAM with code 2', 'UNAVAILABLE'],
  [14, 'etcdserver: no leader', 'UNAVAILABLE'],
  [16, 'etcdserver: invalid auth token', 'UNAUTHENTICATED'],
];
for (const [code, details, expected] of cases) {
  test(`toAgentError() tells ${code} "${details}" as ${expected}`, () => {
    const failure = new GrpcFailure(code, details, { sent: true });
    const error = toAgentError(failure, 'read "/a"', 'http://10.0.0.1:2379');
    assert.equal(error.code, expected);
    assert.equal(
      error.message,
      `Cannot read "/a": etcd at http://10.0.0.1:2379: ${details.replace('etcdserver: ', '')}`,
    );
    assert.equal(failure.isTransient, expected === 'UNAVAILABLE');
  });
}
