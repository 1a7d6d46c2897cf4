import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Endpoints } from '../../../src/etcd/endpoints.ts';
import { GrpcFailure, grpcCode } from '../../../src/etcd/grpc-failure.ts';

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const failure = new GrpcFailure(grpcCode.unavailable, 'no answer', { sent: true });

test('a call that ends on a connection given up long ago says nothing of the endpoint that is in use again', () => {
  const endpoints = new Endpoints(['http://127.0.0.1:1', 'http://127.0.0.1:2'], { tls: undefined, first: 0, log });
  const [first, stale] = [endpoints.current(), endpoints.current()];
  assert.equal(first, stale);
  endpoints.leave(first, failure);
  const second = endpoints.current();
  endpoints.answered(second);
  endpoints.leave(second, failure);
  const again = endpoints.current();
  assert.equal(again.endpoint, first.endpoint);
  assert.notEqual(again, stale);
  assert.equal(stale.isConnected, false);
  endpoints.leave(stale, failure);
  assert.equal(endpoints.current(), again);
  endpoints.close();
});
