import assert from 'node:assert/strict';
import { test } from 'node:test';
import { observeStore } from '../../../src/cluster/observe-store.ts';
import { StoreHealthMonitor } from '../../../src/cluster/store-health.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import type { Log } from '../../../src/loop/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const { signal } = new AbortController();

function begin() {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  const raw = store.client();
  const lines: string[] = [];
  const write = (...args: unknown[]) => lines.push(String(args.at(-1)));
  const log: Log = { debug: write, info: write, warn: write, error: write };
  let changes = 0;
  const monitor = new StoreHealthMonitor(clock, log, () => {
    changes += 1;
  });
  const kv = observeStore(raw, monitor, clock);
  const put = (key: string) => kv.commit({ compares: [], writes: [{ put: key, value: 'x' }] }, signal);
  const state = () => monitor.health.state;
  /** Until the call has ended, however. */
  const ended = async (call: Promise<unknown>) => {
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    call.then(over, over);
    await clock.advanceUntil(() => isOver, 60_000);
  };
  return { clock, store, raw, lines, monitor, kv, put, state, ended, changes: () => changes };
}

test('the store is unknown before it was asked, and good once it has answered, without a word', async () => {
  const { monitor, kv, ended, state, lines } = begin();
  assert.equal(state(), 'unknown');
  await ended(kv.get('/a', signal));
  assert.equal(state(), 'good');
  assert.equal(monitor.health.lastError, undefined);
  assert.deepEqual(lines, []);
});

test('calls that nobody answers make it unavailable, said once; the first answer makes it good', async () => {
  const { kv, raw, ended, state, lines, monitor } = begin();
  await ended(kv.get('/a', signal));
  raw.cutOff();
  for (let n = 0; n < 6; n += 1) await ended(kv.get('/a', signal));
  assert.equal(state(), 'unavailable');
  assert.deepEqual(lines, ['store is not well']);
  assert.match(monitor.health.lastError ?? '', /can't be reached/);
  raw.reconnect();
  await ended(kv.get('/a', signal));
  assert.equal(state(), 'good');
  assert.deepEqual(lines, ['store is not well', 'store is well again']);
  assert.match(monitor.health.lastError ?? '', /can't be reached/, 'what was last wrong is still told');
});

test('a store that comes and goes fills no log', async () => {
  const { kv, raw, ended, lines, changes } = begin();
  for (let n = 0; n < 10; n += 1) {
    raw.setFaults({ unreachable: 'refuse' });
    await ended(kv.renewLease('1', 2_000, signal));
    raw.reconnect();
    await ended(kv.renewLease('1', 2_000, signal));
  }
  assert.ok(changes() >= 20);
  assert.ok(lines.length <= 2, `${lines.length} lines`);
});

test('a refused write makes it full until one is taken; reads, renewals and deletes say nothing of that', async () => {
  const { kv, store, put, ended, state } = begin();
  await ended(put('/a'));
  store.setFull(true);
  await ended(put('/b'));
  assert.equal(state(), 'full');
  await ended(kv.get('/a', signal));
  await ended(kv.renewLease('1', 2_000, signal));
  await ended(kv.commit({ compares: [], writes: [{ delete: '/a' }] }, signal));
  assert.equal(state(), 'full');
  store.setFull(false);
  await ended(put('/b'));
  assert.equal(state(), 'good');
});

test('three slow answers in a row make it slow, one quick one good; a list may take its time', async () => {
  const { kv, raw, ended, state } = begin();
  raw.setFaults({ delayMs: 1_500 });
  for (let n = 0; n < 5; n += 1) await ended(kv.list('/a/', signal));
  assert.equal(state(), 'good');
  await ended(kv.get('/a', signal));
  await ended(kv.get('/a', signal));
  assert.equal(state(), 'good');
  await ended(kv.renewLease('1', 2_000, signal));
  assert.equal(state(), 'slow');
  raw.setFaults({ delayMs: 100 });
  await ended(kv.get('/a', signal));
  assert.equal(state(), 'good');
});

test('what is forbidden makes it refusing until that very thing is allowed', async () => {
  const { kv, raw, ended, state } = begin();
  const list = raw.list.bind(raw);
  raw.list = () => Promise.reject(new AgentError('FORBIDDEN', 'Cannot list: permission denied'));
  await ended(kv.list('/a/', signal));
  assert.equal(state(), 'refusing');
  await ended(kv.get('/a', signal));
  assert.equal(state(), 'refusing');
  raw.list = list;
  await ended(kv.list('/a/', signal));
  assert.equal(state(), 'good');
});

test('a compaction past what was read is told, and is no fault', async () => {
  const { kv, store, put, ended, state, monitor } = begin();
  for (const key of ['/a/1', '/a/2', '/a/3']) await ended(put(key));
  store.compact();
  await ended(kv.watch({ prefix: '/a/' }, 1, () => {}, signal));
  assert.equal(state(), 'good');
  assert.match(monitor.health.lastError ?? '', /compacted.*read anew/);
});

test('an aborted call says nothing', async () => {
  const { kv, raw, state } = begin();
  raw.cutOff();
  const stop = new AbortController();
  const call = assert.rejects(kv.get('/a', stop.signal));
  stop.abort(new Error('enough'));
  await call;
  assert.equal(state(), 'unknown');
});
