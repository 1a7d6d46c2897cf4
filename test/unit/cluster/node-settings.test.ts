import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeSettingsCodec } from '../../../src/cluster/codecs.ts';
import { makeLayout } from '../../../src/cluster/layout.ts';
import { changeNodeSettings } from '../../../src/cluster/node-settings.ts';
import { parseClusterId, parseNodeId } from '../../../src/domain/ids.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const layout = makeLayout('/muster', parseClusterId('demo'));
const node = parseNodeId('a'.repeat(32));
const never = new AbortController().signal;
const gone = { cordoned: false, draining: false, labels: {}, removal: { at: '2026-01-01T00:00:00.000Z' } };

/** A node that was there, and of which an operator has said since that it's gone for good. */
function makeStore() {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  const put = (key: string, value: string) => store.commit({ compares: [], writes: [{ put: key, value }] });
  const register = () => put(layout.nodeRecord(node), 'what it says of itself');
  register();
  put(layout.nodeSettings(node), nodeSettingsCodec.encode(gone));
  const cordon = (kv = store.client('operator')) =>
    changeNodeSettings({ kv, layout, clock }, node, (before) => ({ ...before, cordoned: true }), never);
  return { store, register, cordon };
}

test('a change of its settings leaves the word that a node is gone for good, while it has not come back', async () => {
  const { cordon } = makeStore();
  assert.deepEqual((await cordon()).settings, { ...gone, cordoned: true });
});

test('a node that has registered since has refuted it: no change carries it on', async () => {
  const { register, cordon } = makeStore();
  register();
  assert.equal((await cordon()).settings.removal, undefined);
});

test('nor does one that has read before the node registered', async () => {
  const { store, register, cordon } = makeStore();
  const kv = store.client('operator');
  const commit = kv.commit.bind(kv);
  let isFirst = true;
  kv.commit = (txn, signal) => {
    if (isFirst) register();
    isFirst = false;
    return commit(txn, signal);
  };
  assert.equal((await cordon(kv)).settings.removal, undefined);
});
