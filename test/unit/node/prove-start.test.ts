import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignmentCodec } from '../../../src/cluster/codecs.ts';
import { makeLayout } from '../../../src/cluster/layout.ts';
import { type InstanceKey, parseClusterId, parseNodeId } from '../../../src/domain/ids.ts';
import type { Assignment } from '../../../src/domain/spec.ts';
import { proveStart } from '../../../src/node/prove-start.ts';
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
  const rights = { isSafe: true, maySafelyRun: () => rights.isSafe };
  const kv = store.client();
  return { put, rights, kv, options: { kv, layout, node, rights } };
}

test('a "stop" instance starts on an order that stands', async () => {
  const { put, options } = makeWorld('stop');
  await proveStart(options, put('run'), never);
});

test('a "stop" instance does not start on an order that was replaced while the node was away', async () => {
  const { put, options } = makeWorld('stop');
  const read = put('run');
  put('stop');
  await assert.rejects(proveStart(options, read, never), { code: 'STALE' });
});

test('a "stop" instance does not start when the node lost its right meanwhile', async () => {
  const { put, rights, options } = makeWorld('stop');
  const order = put('run');
  rights.isSafe = false;
  await assert.rejects(proveStart(options, order, never), { code: 'STALE' });
});

test('a "keep" instance starts without asking the store', async () => {
  const { put, kv, options } = makeWorld('keep');
  await proveStart(options, put('run'), never);
  assert.equal(kv.calls.size, 0);
});
