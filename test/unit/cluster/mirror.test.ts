import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Mirror } from '../../../src/cluster/mirror.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { advanceUntil } from '../../support/advance-until.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of open.splice(0)) await end();
});

function start() {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  const put = (key: string, value: string) => store.commit({ compares: [], writes: [{ put: key, value }] });
  const kv = store.client();
  const changes: (readonly string[] | 'all')[] = [];
  const cluster = { epoch: 1 };
  const mirror = new Mirror({
    kv,
    prefix: '/demo/',
    epoch: () => cluster.epoch,
    clock,
    log: silentLog,
    random: () => 0.5,
    onChange: (changed) => changes.push(changed === 'all' ? 'all' : [...changed]),
  });
  const stop = new AbortController();
  const run = () => {
    const running = mirror.run(stop.signal);
    open.push(async () => {
      stop.abort();
      await clock.advance(0);
      await running;
    });
  };
  const shown = () => Object.fromEntries([...mirror.entries].map(([key, { value }]) => [key, value]));
  return { clock, store, put, kv, mirror, changes, cluster, run, shown };
}

test('a mirror shows what was there and each change since, of its range alone', async () => {
  const { clock, store, put, mirror, changes, run, shown } = start();
  put('/demo/a', '1');
  put('/other/a', 'x');
  run();
  await advanceUntil(clock, 'listed', () => mirror.synced);
  put('/demo/b', '2');
  put('/other/b', 'x');
  store.commit({ compares: [], writes: [{ delete: '/demo/a' }] });
  await advanceUntil(clock, 'changed', () => mirror.revision === store.revision);
  assert.deepEqual(shown(), { '/demo/b': '2' });
  assert.equal(changes[0], 'all');
  assert.deepEqual(changes.slice(1).flat().sort(), ['/demo/a', '/demo/b']);
});

test('a mirror keeps what it had while the store is away, and catches up when it is back', async () => {
  const { clock, put, kv, mirror, run, shown } = start();
  put('/demo/a', '1');
  run();
  await advanceUntil(clock, 'listed', () => mirror.synced);
  kv.cutOff();
  put('/demo/a', '2');
  await clock.advance(30_000);
  assert.deepEqual(shown(), { '/demo/a': '1' });
  kv.reconnect();
  await advanceUntil(clock, 'caught up', () => shown()['/demo/a'] === '2', 10_000);
});

test('a mirror lists again when the store has compacted past it', async () => {
  const { clock, store, put, kv, mirror, changes, run, shown } = start();
  put('/demo/a', '1');
  run();
  await advanceUntil(clock, 'listed', () => mirror.synced);
  kv.cutOff();
  await clock.advance(1_000);
  for (let count = 0; count < 10; count += 1) put('/demo/b', String(count));
  store.commit({ compares: [], writes: [{ delete: '/demo/a' }] });
  store.compact();
  kv.reconnect();
  await advanceUntil(clock, 'listed again', () => shown()['/demo/b'] === '9', 10_000);
  assert.deepEqual(shown(), { '/demo/b': '9' });
  assert.equal(changes.filter((change) => change === 'all').length, 2);
});

test('waitFor() resolves when the view is as new as asked, or the caller gives up', async () => {
  const { clock, store, put, mirror, run } = start();
  run();
  await advanceUntil(clock, 'listed', () => mirror.synced);
  let reached = false;
  const waiting = mirror.waitFor(store.revision + 1, new AbortController().signal).then(() => {
    reached = true;
  });
  await clock.advance(1_000);
  assert.equal(reached, false);
  put('/demo/a', '1');
  await clock.advance(0);
  await waiting;
  assert.equal(reached, true);
  const give = new AbortController();
  const never = mirror.waitFor(store.revision + 1_000, give.signal);
  give.abort();
  await never;
});

test('a mirror lists again now and then, so that nothing is missed for ever', async () => {
  const { clock, put, kv, mirror, run, shown } = start();
  put('/demo/a', '1');
  run();
  await advanceUntil(clock, 'listed', () => mirror.synced);
  const before = kv.calls.get('list') ?? 0;
  await clock.advance(3_600_000);
  await clock.advance(0);
  assert.equal(kv.calls.get('list'), before + 1);
  put('/demo/a', '2');
  await advanceUntil(clock, 'still watched', () => shown()['/demo/a'] === '2');
});

test('an idle mirror makes no request', async () => {
  const { clock, put, kv, mirror, run } = start();
  put('/demo/a', '1');
  run();
  await advanceUntil(clock, 'listed', () => mirror.synced);
  const before = new Map(kv.calls);
  await clock.advance(600_000);
  assert.deepEqual(kv.calls, before);
});

const endsAtOnce = [
  ['is compacted past', new AgentError('STALE', 'Cannot watch: compacted')],
  ['is refused', new AgentError('FORBIDDEN', 'Cannot watch: expected the permission')],
] as const;
for (const [how, failure] of endsAtOnce) {
  test(`a mirror whose watch ${how} each time does not list at full speed`, async () => {
    const { clock, kv, run, mirror } = start();
    kv.watch = () => Promise.reject(failure);
    run();
    await clock.advance(60_000);
    const lists = kv.calls.get('list') ?? 0;
    assert.ok(lists > 25 && lists < 60, `${lists} lists in a minute`);
    assert.ok(mirror.synced);
  });
}

test('a mirror of a store that was set back shows what that holds, and keeps nobody waiting for what was lost', async () => {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  const put = (key: string) => store.commit({ compares: [], writes: [{ put: key, value: 'x' }] });
  put('/a/kept');
  const snapshot = store.snapshot();
  put('/a/lost');
  const stop = new AbortController();
  const mirror = new Mirror({
    ...{ kv: store.client(), prefix: '/a/', clock, log: silentLog, random: () => 0.5 },
    onChange: () => {},
  });
  const running = mirror.run(stop.signal);
  await clock.advance(0);
  let isOver = false;
  const waiting = mirror.waitFor(store.revision + 5, stop.signal).then(() => {
    isOver = true;
  });
  store.restore(snapshot);
  await clock.advance(3_600_000);
  assert.deepEqual([...mirror.entries.keys()], ['/a/kept']);
  assert.equal(isOver, true);
  stop.abort();
  await clock.advance(0);
  await Promise.all([running, waiting]);
});

test('a mirror is of an epoch once it has been listed in it, and is listed anew for whoever asks', async () => {
  const { clock, kv, mirror, changes, cluster, run } = start();
  assert.equal(mirror.isOfThisEpoch, false);
  run();
  await advanceUntil(clock, 'listed', () => mirror.isOfThisEpoch);
  assert.deepEqual(changes, ['all']);
  kv.setFaults({ delayMs: 100 });
  cluster.epoch = 2;
  assert.equal(mirror.isOfThisEpoch, false);
  await clock.advance(50);
  cluster.epoch = 3; // what was asked for before may be older
  await advanceUntil(clock, 'listed again', () => changes.length === 2);
  assert.equal(mirror.isOfThisEpoch, false);
  await advanceUntil(clock, 'listed in the last epoch', () => mirror.isOfThisEpoch);
  await clock.advance(10_000);
  assert.deepEqual(changes, ['all', 'all', 'all']);
});
