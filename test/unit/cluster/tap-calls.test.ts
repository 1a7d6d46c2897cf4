import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EndedCall, tapCalls } from '../../../src/cluster/tap-calls.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import type { Found } from '../../../src/etcd/port.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const { signal } = new AbortController();

function make() {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  const calls: EndedCall[] = [];
  const inner = store.client('tapped');
  return { clock, calls, inner, kv: tapCalls(inner, clock, (call) => calls.push(call)) };
}

test('the end of each call is told, with the revision where the answer has it', async () => {
  const { kv, calls } = make();
  const { id } = await kv.grantLease(4_000, signal);
  const txn = { compares: [], writes: [{ put: '/a', value: '1' }] };
  const { revision } = await kv.commit(txn, signal);
  await kv.get('/a', signal);
  await kv.list('/', signal);
  await kv.renewLease(id, 100, signal);
  await kv.leaseTimeToLive(id, signal);
  await kv.revokeLease(id, signal);
  await kv.identity(signal);
  await settle();
  const operations = [
    'grant-lease',
    'commit',
    'get',
    'list',
    'renew-lease',
    'time-to-live',
    'revoke-lease',
    'identity',
  ];
  assert.deepEqual(
    calls.map(({ operation }) => operation),
    operations,
  );
  assert.deepEqual(calls[1], { operation: 'commit', txn, tookMs: 0, isLost: false, revision });
  assert.equal(calls[4]?.revision, revision);
});

test('a lost compare and a failure are told for what they are, and reach the caller unchanged', async () => {
  const { kv, inner, calls } = make();
  const compares = [{ key: '/a', modRevision: 7 }];
  const { applied } = await kv.commit({ compares, writes: [{ put: '/a', value: '1' }] }, signal);
  assert.equal(applied, false);
  const error = new AgentError('UNAVAILABLE', 'gone');
  inner.get = async () => Promise.reject(error);
  await assert.rejects(kv.get('/a', signal), error);
  const stop = new AbortController();
  stop.abort(new Error('enough'));
  await assert.rejects(kv.get('/a', stop.signal), error);
  await settle();
  assert.deepEqual(
    calls.map(({ isLost, failure }) => [isLost, failure?.error, failure?.wasAborted]),
    [
      [true, undefined, undefined],
      [false, error, false],
      [false, error, true],
    ],
  );
});

test('how long a call took is told by the monotonic clock', async () => {
  const { kv, inner, calls, clock } = make();
  const { promise, resolve } = Promise.withResolvers<Found>();
  inner.get = () => promise;
  const getting = kv.get('/a', signal);
  await clock.advance(250);
  resolve({ kv: undefined, clusterId: 'c', raftTerm: 2, revision: 3 });
  await getting;
  await settle();
  assert.deepEqual(calls, [{ operation: 'get', tookMs: 250, isLost: false, revision: 3 }]);
});
