import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignmentCodec } from '../../../src/cluster/codecs.ts';
import { makeLayout } from '../../../src/cluster/layout.ts';
import { type InstanceKey, parseClusterId, parseNodeId } from '../../../src/domain/ids.ts';
import type { Assignment } from '../../../src/domain/spec.ts';
import { makeToken, proveStart } from '../../../src/node/prove-start.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const layout = makeLayout('/muster', parseClusterId('demo'));
const node = parseNodeId('a'.repeat(32));
const key = 'ctl/0' as InstanceKey;
const never = new AbortController().signal;

function makeWorld(disconnect: Assignment['disconnect']) {
  const store = new MemoryStore(new FakeClock());
  const put = (order: Assignment['order']) => {
    const assignment: Assignment = { order, spec: 1, disconnect, reason: 'placed', at: '' };
    const write = { put: layout.assignment(node, key), value: assignmentCodec.encode(assignment) };
    return { key, assignment, revision: store.commit({ compares: [], writes: [write] }).revision };
  };
  const presence = { put: layout.presence(node), value: '{}' };
  const { revision } = store.commit({ compares: [], writes: [presence] });
  const rights = {
    isSafe: true,
    epoch: 1,
    maySafelyRun: () => rights.isSafe,
    guard: () => ({ key: layout.presence(node), modRevision: revision }),
  };
  const kv = store.client();
  const takePresence = () => store.commit({ compares: [], writes: [presence] });
  return { put, rights, kv, takePresence, options: { kv, layout, node, rights } };
}

test('a "stop" instance starts on an order that stands, with a token that grows with each start', async () => {
  const { put, rights, options } = makeWorld('stop');
  const order = put('run');
  const first = BigInt(await proveStart(options, order, never));
  const second = BigInt(await proveStart(options, order, never));
  assert.ok(first > BigInt(makeToken(1, order.revision)));
  assert.ok(second > first);
  rights.epoch = 2;
  assert.ok(BigInt(await proveStart(options, order, never)) > BigInt(makeToken(1, 2 ** 47)));
});

test('a token holds the epoch above 48 bits of revision, as exact decimal text', () => {
  assert.equal(makeToken(0, 7), '7');
  assert.equal(makeToken(1, 5), '281474976710661');
  assert.equal(makeToken(100, 1), '28147497671065601');
});

test('a "stop" instance does not start on an order that was replaced while the node was away', async () => {
  const { put, options } = makeWorld('stop');
  const read = put('run');
  put('stop');
  await assert.rejects(proveStart(options, read, never), { code: 'STALE' });
});

test('a "stop" instance does not start where the presence is no longer as this process wrote it', async () => {
  const { put, takePresence, options } = makeWorld('stop');
  const order = put('run');
  takePresence();
  await assert.rejects(proveStart(options, order, never), { code: 'STALE' });
});

test('a "stop" instance does not start when the node has lost its right', async () => {
  const { put, rights, kv, options } = makeWorld('stop');
  const order = put('run');
  rights.isSafe = false;
  await assert.rejects(proveStart(options, order, never), { code: 'STALE' });
  assert.equal(kv.calls.size, 0);
});

test('a "stop" instance does not start when the right ended while the store was asked', async () => {
  const { put, rights, kv, options } = makeWorld('stop');
  const order = put('run');
  const commit: typeof kv.commit = async (txn, signal) => {
    rights.isSafe = false;
    return kv.commit(txn, signal);
  };
  await assert.rejects(proveStart({ ...options, kv: { commit } }, order, never), { code: 'STALE' });
});

test('a "keep" instance starts without asking the store, with its order\'s revision as token', async () => {
  const { put, kv, options } = makeWorld('keep');
  const order = put('run');
  assert.equal(await proveStart(options, order, never), makeToken(1, order.revision));
  assert.equal(kv.calls.size, 0);
});
