import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { statusCodec } from '../../../src/cluster/codecs.ts';
import { makeLayout } from '../../../src/cluster/layout.ts';
import { type InstanceKey, parseClusterId, parseNodeId } from '../../../src/domain/ids.ts';
import type { InstanceStatus, Phase } from '../../../src/domain/status.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { StatusWriter } from '../../../src/node/status-writer.ts';
import { listStoredStatuses } from '../../../src/node/stored-statuses.ts';
import { advanceUntil } from '../../support/advance-until.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const layout = makeLayout('/muster', parseClusterId('demo'));
const node = parseNodeId('a'.repeat(32));
const keyOf = (slot: number) => `web/${slot}` as InstanceKey;

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of open.splice(0)) await end();
});

function start() {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  const put = (key: string, value: string) => store.commit({ compares: [], writes: [{ put: key, value }] }).revision;
  const presenceRevision = put(layout.presence(node), 'ours');
  let isOurs = true;
  const kv = store.client();
  const writer = new StatusWriter({
    kv,
    layout,
    node,
    clock,
    log: silentLog,
    random: () => 0.5,
    list: (signal) =>
      listStoredStatuses({ kv, range: layout.statusesOf(node), clock, log: silentLog, random: () => 0.5 }, signal),
    guard: () => (isOurs ? { key: layout.presence(node), modRevision: presenceRevision } : undefined),
  });
  const stop = new AbortController();
  const running = writer.run(stop.signal);
  open.push(async () => {
    stop.abort();
    await clock.advance(0);
    await running;
  });
  const assign = (slot: number) => put(layout.assignment(node, keyOf(slot)), 'order');
  const stored = (slot: number) => {
    const found = store.get(layout.status(node, keyOf(slot)));
    return found && statusCodec.decode(found.value, found.key);
  };
  const commits = () => kv.calls.get('commit') ?? 0;
  return { clock, store, put, kv, writer, assign, stored, commits, loseRight: () => (isOurs = false) };
}

const status = (assignmentRevision: number, phase: Phase, over: Partial<InstanceStatus> = {}): InstanceStatus => ({
  assignmentRevision,
  spec: 1,
  phase,
  healthy: false,
  health: 'none',
  since: '2026-01-01T00:00:00.000Z',
  restarts: 0,
  ...over,
});
const wants = (...rows: [slot: number, status: InstanceStatus][]) =>
  new Map(rows.map(([slot, row]) => [keyOf(slot), row]));

test('a lasting phase is stored at once', async () => {
  const { clock, writer, assign, stored } = start();
  writer.want(wants([0, status(assign(0), 'running')]));
  await clock.advance(1);
  assert.equal(stored(0)?.phase, 'running');
  assert.equal(writer.isSettled, true);
});

test('a status that answers an order of the past keeps no other from being stored', async () => {
  const { clock, writer, assign, stored } = start();
  const past = assign(0);
  assign(0);
  writer.want(wants([0, status(past, 'running')], [1, status(assign(1), 'running')]));
  await advanceUntil(clock, 'the other is stored', () => stored(1)?.phase === 'running', 200);
  assert.equal(stored(0), undefined);
});

test('a status that cannot be stored is tried again, less and less often', async () => {
  const { clock, writer, assign, commits } = start();
  const past = assign(0);
  assign(0);
  writer.want(wants([0, status(past, 'running')]));
  await clock.advance(60_000);
  const before = commits();
  await clock.advance(60_000);
  assert.ok(commits() > before, 'still tried');
  assert.ok(commits() - before < 20, `${commits() - before} commits in a minute`);
});

test('a phase that passes quickly is never stored', async () => {
  const { clock, writer, assign, stored, commits } = start();
  const revision = assign(0);
  writer.want(wants([0, status(revision, 'starting')]));
  await clock.advance(60);
  assert.equal(stored(0), undefined);
  writer.want(wants([0, status(revision, 'running')]));
  await clock.advance(1);
  assert.equal(stored(0)?.phase, 'running');
  assert.equal(commits(), 1);
});

test('a phase that lasts is stored within 200 ms', async () => {
  const { clock, writer, assign, stored } = start();
  writer.want(wants([0, status(assign(0), 'pulling')]));
  await clock.advance(200);
  assert.equal(stored(0)?.phase, 'pulling');
});

test('many changes go in one transaction, as many as the store takes', async () => {
  const { clock, writer, assign, stored, commits } = start();
  const rows = Array.from({ length: 150 }, (_, slot): [number, InstanceStatus] => [
    slot,
    status(assign(slot), 'running'),
  ]);
  writer.want(wants(...rows));
  await clock.advance(10);
  assert.equal(commits(), 3);
  assert.equal(stored(149)?.phase, 'running');
});

test('the first change is written at once, those that follow on its heels go together', async () => {
  const { clock, writer, assign, stored, commits } = start();
  const rows = Array.from({ length: 20 }, (_, slot): [number, InstanceStatus] => [
    slot,
    status(assign(slot), 'running'),
  ]);
  for (let count = 1; count <= rows.length; count += 1) {
    writer.want(wants(...rows.slice(0, count)));
    await clock.advance(2);
    assert.equal(stored(0)?.phase, 'running');
  }
  assert.equal(commits(), 1);
  await clock.advance(50);
  assert.equal(commits(), 2);
  assert.equal(stored(19)?.phase, 'running');
});

test('an instance that flaps is stored at most once a second', async () => {
  const { clock, writer, assign, commits } = start();
  const revision = assign(0);
  for (let change = 0; change < 100; change += 1) {
    writer.want(wants([0, status(revision, change % 2 === 0 ? 'running' : 'failed', { restarts: change })]));
    await clock.advance(100);
  }
  assert.ok(commits() <= 6 + 10, `10 s of flapping made ${commits()} writes`);
});

test('an unchanged status costs nothing', async () => {
  const { clock, writer, assign, commits } = start();
  const row = status(assign(0), 'running');
  for (let pass = 0; pass < 10; pass += 1) {
    writer.want(wants([0, row]));
    await clock.advance(1_000);
  }
  assert.equal(commits(), 1);
});

test('a status whose order is gone is not written back', async () => {
  const { clock, store, writer, assign, stored } = start();
  const revision = assign(0);
  store.commit({ compares: [], writes: [{ delete: layout.assignment(node, keyOf(0)) }] });
  writer.want(wants([0, status(revision, 'running')]));
  await clock.advance(5_000);
  assert.equal(stored(0), undefined);
  writer.want(new Map());
  await advanceUntil(clock, 'settled', () => writer.isSettled, 5_000);
});

test('what is no longer known is deleted', async () => {
  const { clock, writer, assign, stored } = start();
  writer.want(wants([0, status(assign(0), 'running')]));
  await clock.advance(10);
  writer.want(new Map());
  await clock.advance(60);
  assert.equal(stored(0), undefined);
});

test('nothing is written while presence is not ours', async () => {
  const { clock, writer, assign, stored, loseRight } = start();
  loseRight();
  writer.want(wants([0, status(assign(0), 'running')]));
  await clock.advance(5_000);
  assert.equal(stored(0), undefined);
});

test('what the store had from before is kept until the first pass has said what is', async () => {
  const { clock, put, writer, assign, stored } = start();
  const row = status(assign(0), 'running');
  const path = layout.status(node, keyOf(0));
  writer.reset(
    new Map([
      [keyOf(0), { text: statusCodec.encode(row), revision: put(path, statusCodec.encode(row)), status: row }],
      [keyOf(7), { text: 'of an instance that is gone', revision: 1, status: undefined }],
    ]),
  );
  await clock.advance(5_000);
  assert.equal(stored(0)?.phase, 'running');
  writer.want(wants([0, row]));
  await clock.advance(10);
  assert.equal(stored(0)?.phase, 'running');
  assert.equal(writer.isSettled, true);
});

test('a status is written when the store is back', async () => {
  const { clock, kv, writer, assign, stored } = start();
  kv.cutOff();
  writer.want(wants([0, status(assign(0), 'running')]));
  await clock.advance(20_000);
  kv.reconnect();
  await advanceUntil(clock, 'stored', () => stored(0)?.phase === 'running', 10_000);
});

test('a write without an answer may have been applied: what is wanted is written again, also when it is as it was before', async () => {
  const { clock, kv, writer, assign, stored } = start();
  const order = assign(0);
  writer.want(wants([0, status(order, 'running')]));
  await clock.advance(100);
  kv.setFaults({ unreachable: 'no-answers' });
  writer.want(wants([0, status(order, 'stopped')]));
  await advanceUntil(clock, 'applied unheard', () => stored(0)?.phase === 'stopped', 10_000);
  writer.want(wants([0, status(order, 'running')]));
  assert.equal(writer.isSettled, false);
  kv.setFaults({ unreachable: 'no' });
  await advanceUntil(clock, 'as wanted', () => stored(0)?.phase === 'running', 20_000);
});

test('a write without an answer that would be applied late, over what was written since, is applied no more', async () => {
  const { clock, store, kv, writer, assign, stored } = start();
  const order = assign(0);
  writer.want(wants([0, status(order, 'running')]));
  await clock.advance(100);
  kv.setFaults({ loseReplies: 1, lateByMs: 60_000 });
  writer.want(wants([0, status(order, 'stopped')]));
  await clock.advance(1);
  writer.want(wants([0, status(order, 'running', { restarts: 1 })]));
  await advanceUntil(clock, 'stored', () => stored(0)?.restarts === 1, 10_000);
  store.applyHeld();
  await clock.advance(10_000);
  assert.equal(stored(0)?.restarts, 1);
  assert.equal(writer.isSettled, true);
});

test('a write without an answer is not applied late either where what the store has is what is wanted', async () => {
  const { clock, store, kv, writer, assign, stored } = start();
  const order = assign(0);
  writer.want(wants([0, status(order, 'running')]));
  await clock.advance(100);
  kv.setFaults({ loseReplies: 1, lateByMs: 60_000 });
  writer.want(wants([0, status(order, 'stopped')]));
  await clock.advance(1);
  writer.want(wants([0, status(order, 'running')]));
  await advanceUntil(clock, 'settled', () => writer.isSettled, 10_000);
  store.applyHeld();
  await clock.advance(10_000);
  assert.equal(stored(0)?.phase, 'running');
});

test('a status that somebody else has changed or deleted is stored again with the next change', async () => {
  const { clock, store, put, writer, assign, stored } = start();
  const order = assign(0);
  writer.want(wants([0, status(order, 'running')], [1, status(assign(1), 'running')]));
  await clock.advance(100);
  put(layout.status(node, keyOf(0)), statusCodec.encode(status(order, 'pending')));
  store.commit({ compares: [], writes: [{ delete: layout.status(node, keyOf(1)) }] });
  writer.want(wants([0, status(order, 'failed')], [1, status(assign(1), 'failed')]));
  await advanceUntil(clock, 'both', () => stored(0)?.phase === 'failed' && stored(1)?.phase === 'failed', 10_000);
});
