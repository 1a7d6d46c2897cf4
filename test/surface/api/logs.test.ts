import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { instanceCodec } from '../../../src/cluster/codecs.ts';
import type { InstanceKey, NodeId } from '../../../src/domain/ids.ts';
import type { InstanceRecord } from '../../../src/domain/spec.ts';
import type { LogEntry, LogQuery } from '../../../src/wire/log-answers.ts';
import { eventually } from '../../support/eventually.ts';
import { ScriptedLogs } from '../../support/scripted-logs.ts';
import { assign, type Fixture, layout, makeDocument, node1, node2 } from '../../unit/api/api-fixture.ts';
import { openTwoNodes, type TwoNodes } from '../../unit/api/two-nodes.ts';

const web0 = 'web/0' as InstanceKey;
const web1 = 'web/1' as InstanceKey;
const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000Z`;

interface Cluster extends TwoNodes {
  readonly logs: readonly [ScriptedLogs, ScriptedLogs];
  readonly signal: AbortSignal;
  /** All of a stream that ends, as `kind text`. */
  readonly read: (on: 0 | 1, query: Partial<LogQuery> & { slot?: string }) => Promise<string[]>;
  readonly follow: (on: 0 | 1, query?: Partial<LogQuery> & { slot?: string }) => Following;
}

interface Following {
  readonly entries: readonly LogEntry[];
  readonly texts: () => string[];
  readonly end: () => Promise<void>;
}

async function openCluster(t: TestContext, peers = true): Promise<Cluster> {
  const logs = [new ScriptedLogs(), new ScriptedLogs()] as const;
  const runtime = (each: ScriptedLogs) => ({
    runtimes: [{ kind: 'docker' as const, logs: each.logs, resolveImage: async () => undefined }],
  });
  const twins = await openTwoNodes(t, [runtime(logs[0]), runtime(logs[1])], peers);
  await twins.nodes[0].client.apply(makeDocument('web', { scale: { kind: 'replicas', replicas: 2 } }), t.signal);
  const ask = (on: 0 | 1, query: object, signal: AbortSignal) =>
    twins.nodes[on].client.logs({ workload: 'web', follow: false, ...query }, signal);
  const read = async (on: 0 | 1, query: object) => (await Array.fromAsync(ask(on, query, t.signal))).flat().map(textOf);
  const follow = (on: 0 | 1, query: object = {}): Following => {
    const stop = new AbortController();
    const entries: LogEntry[] = [];
    const reading = (async () => {
      for await (const batch of ask(on, { follow: true, ...query }, stop.signal)) entries.push(...batch);
    })();
    const ended = reading.catch(() => undefined); // aborted, or the agent has ended before
    const end = async () => {
      stop.abort();
      await ended;
    };
    t.after(end);
    return { entries, texts: () => entries.filter(({ kind }) => kind === 'line').map(({ text }) => text), end };
  };
  return { ...twins, logs, signal: t.signal, read, follow };
}

function textOf(entry: LogEntry): string {
  return entry.kind === 'line' ? `${entry.instance} ${entry.node} ${entry.text}` : `notice ${entry.code} ${entry.text}`;
}

async function place(cluster: Cluster, key: InstanceKey, node: NodeId): Promise<void> {
  await assign(cluster.store as Fixture, node, key);
}

/** Both copies are there for a while, then only the new one. */
async function move(cluster: Cluster, key: InstanceKey, from: NodeId, to: NodeId): Promise<void> {
  const move = { at: at(0), to, reason: 'node1 is lost' };
  const put = async (copies: InstanceRecord['copies']) =>
    cluster.store.put(layout.instance(key), instanceCodec.encode({ copies, moves: [move] }));
  await put([
    { node: to, role: 'current' },
    { node: from, role: 'superseded' },
  ]);
  await assign(cluster.store as Fixture, to, key);
  await cluster.store.remove(layout.assignment(from, key));
  await put([{ node: to, role: 'current' }]);
}

test('the lines of an instance come through any node from the one that runs it', async (t) => {
  const cluster = await openCluster(t);
  await place(cluster, web0, node2);
  cluster.logs[1].write(web0, 'one', at(1));
  cluster.logs[1].write(web0, 'two "quoted"\u2028', at(2));
  const expected = ['web.0 node2 one', 'web.0 node2 two "quoted"\u2028'];
  assert.deepEqual(await cluster.read(0, { slot: '0' }), expected);
  assert.deepEqual(await cluster.read(1, { slot: '0' }), expected);
  assert.deepEqual(await cluster.read(0, { slot: '0', tail: 1 }), expected.slice(1));
  assert.deepEqual(await cluster.read(0, { slot: '0', since: at(2) }), expected.slice(1));
  assert.deepEqual(await cluster.read(0, { slot: '0', since: '1s' }), []);
});

test('an instance that ran elsewhere last has its lines there', async (t) => {
  const cluster = await openCluster(t);
  cluster.logs[1].write(web0, 'one', at(1));
  const record: InstanceRecord = {
    copies: [],
    moves: [],
    lastNode: node2,
    pending: { reason: 'no room', since: at(1), nodes: {} },
  };
  await cluster.store.put(layout.instance(web0), instanceCodec.encode(record));
  assert.deepEqual(await cluster.read(0, { slot: '0' }), ['web.0 node2 one']);
});

test('the lines of all instances are merged by time across nodes', async (t) => {
  const cluster = await openCluster(t);
  await place(cluster, web0, node1);
  await place(cluster, web1, node2);
  for (const second of [1, 4, 5]) cluster.logs[0].write(web0, `${second}`, at(second));
  for (const second of [2, 3, 6]) cluster.logs[1].write(web1, `${second}`, at(second));
  const all = ['web.0 node1 1', 'web.1 node2 2', 'web.1 node2 3', 'web.0 node1 4', 'web.0 node1 5', 'web.1 node2 6'];
  assert.deepEqual(await cluster.read(0, {}), all);
  assert.deepEqual(await cluster.read(1, { tail: 1 }), ['web.0 node1 5', 'web.1 node2 6']);
});

test('a thousand lines of each of three sources keep their order through many batches', async (t) => {
  const cluster = await openCluster(t);
  await place(cluster, web0, node1);
  await place(cluster, web1, node2);
  const stamp = (index: number) => `2026-01-01T00:00:00.${String(index).padStart(6, '0')}Z`;
  for (let index = 0; index < 3_000; index += 1) {
    const isFirst = index % 3 === 0;
    cluster.logs[isFirst ? 0 : 1].write(isFirst ? web0 : web1, String(index), stamp(index));
  }
  const numbers = (await cluster.read(0, {})).map((text) => Number(text.split(' ')[2]));
  assert.deepEqual(
    numbers,
    Array.from({ length: 3_000 }, (_, index) => index),
  );
});

test('a node that cannot be reached is said in the stream, and the others go on', async (t) => {
  const cluster = await openCluster(t);
  await place(cluster, web0, node1);
  await place(cluster, web1, node2);
  cluster.logs[0].write(web0, 'one', at(1));
  cluster.setReachable(node2, false);
  const shown = await cluster.read(0, {});
  assert.equal(shown.length, 2);
  assert.ok(shown.includes('web.0 node1 one'));
  assert.ok(shown.some((text) => text.startsWith('notice UNAVAILABLE Cannot reach node 22222222')));
  await assert.rejects(cluster.read(0, { slot: '1' }), { code: 'UNAVAILABLE' });
});

test('without an API over TCP the node is named that has the lines', async (t) => {
  const cluster = await openCluster(t, false);
  await place(cluster, web0, node1);
  await place(cluster, web1, node2);
  cluster.logs[0].write(web0, 'one', at(1));
  const elsewhere = /it runs on node2 \(10\.0\.0\.1\): run "muster logs web\.1" there/;
  for (const follow of [false, true]) {
    const reading = Array.fromAsync(
      cluster.nodes[0].client.logs({ workload: 'web', slot: '1', follow }, cluster.signal),
    );
    await assert.rejects(reading, { code: 'CONFLICT', message: elsewhere });
  }
  const shown = await cluster.read(0, {});
  assert.ok(shown.includes('web.0 node1 one'));
  assert.ok(
    shown.some((text) => text.startsWith('notice CONFLICT') && elsewhere.test(text)),
    shown.join('\n'),
  );
});

test('what is nowhere, unknown or misused is refused', async (t) => {
  const cluster = await openCluster(t);
  await assert.rejects(cluster.read(0, {}), { code: 'CONFLICT', message: /no instances yet/ });
  const pending = { reason: 'no node fits', since: at(1), nodes: {} };
  await cluster.store.put(layout.instance(web0), instanceCodec.encode({ copies: [], moves: [], pending }));
  await assert.rejects(cluster.read(0, {}), { code: 'CONFLICT', message: /pending: no node fits/ });
  await assert.rejects(cluster.read(0, { slot: '7' }), { code: 'NOT_FOUND' });
  const unknown = cluster.nodes[0].client.logs({ workload: 'nobody', follow: false }, t.signal);
  await assert.rejects(Array.fromAsync(unknown), { code: 'NOT_FOUND' });
  await assert.rejects(cluster.read(0, { since: 'yesterday' }), { code: 'INVALID_INPUT', message: /expected a time/ });
});

test('a follower gets what is written, in order of time across nodes', async (t) => {
  const cluster = await openCluster(t);
  await place(cluster, web0, node1);
  await place(cluster, web1, node2);
  cluster.logs[0].write(web0, 'a', at(1));
  cluster.logs[1].write(web1, 'b', at(2));
  const following = cluster.follow(0);
  await eventually('what was written', 5_000, () => following.texts().join() === 'a,b');
  for (let index = 0; index < 20; index += 1) {
    if (index % 2 === 0) cluster.logs[0].write(web0, `${index}`);
    else cluster.logs[1].write(web1, `${index}`);
  }
  await eventually('what is written', 5_000, () => following.texts().length === 22);
  const times = following.entries.map((entry) => entry.at);
  assert.deepEqual(times, times.toSorted());
});

test('a follower goes on on the new node when an instance moves, and misses nothing', async (t) => {
  const cluster = await openCluster(t);
  await place(cluster, web0, node1);
  cluster.logs[0].write(web0, 'old', at(1));
  cluster.logs[1].write(web0, 'from a run of long ago', at(0));
  const following = cluster.follow(1, { slot: '0', tail: 10 });
  await eventually('what was written', 5_000, () => following.texts().join() === 'old');
  cluster.logs[1].write(web0, 'before it is known');
  await move(cluster, web0, node1, node2);
  cluster.logs[0].write(web0, 'last words');
  await eventually('the new node', 5_000, () => following.texts().includes('before it is known'));
  cluster.logs[1].write(web0, 'new');
  await eventually('its lines', 5_000, () => following.texts().includes('new'));
  assert.deepEqual(following.texts().sort(), ['before it is known', 'last words', 'new', 'old']);
  assert.ok(following.entries.some(({ kind, text }) => kind === 'notice' && /is on node2 now/.test(text)));
  await eventually('the old node to be left', 5_000, () => cluster.logs[0].readers === 0);
});

test('a follower outlives a node that cannot be reached for a while: nothing twice, nothing missed', async (t) => {
  const cluster = await openCluster(t);
  await place(cluster, web0, node2);
  cluster.logs[1].write(web0, 'one');
  cluster.logs[1].writeAll(
    web0,
    Array.from({ length: 3 }, () => ({ at: at(59), stream: 'stdout', text: 'same' })),
  );
  const following = cluster.follow(0, { slot: '0' });
  await eventually('the first', 5_000, () => following.texts().length === 4);
  cluster.setReachable(node2, false);
  await eventually('the notice', 5_000, () => following.entries.some(({ kind }) => kind === 'notice'));
  cluster.logs[1].write(web0, 'two');
  cluster.setReachable(node2, true);
  await eventually('what came meanwhile', 5_000, () => following.texts().includes('two'));
  assert.equal(following.texts().filter((text) => text === 'one').length, 1);
  assert.equal(following.entries.filter(({ kind }) => kind === 'notice').length, 1);
});

test('a follower ends when what it follows is removed', async (t) => {
  const cluster = await openCluster(t);
  await place(cluster, web0, node1);
  cluster.logs[0].write(web0, 'one', at(1));
  const reading = cluster.read(0, { follow: true });
  await eventually('the follower', 5_000, () => cluster.logs[0].readers === 1);
  for (const key of [layout.assignment(node1, web0), layout.instance(web0), layout.workload('web' as never)])
    await cluster.store.remove(key);
  assert.deepEqual(await reading, ['web.0 node1 one', 'notice undefined nothing is left to follow']);
});

test('when the reader goes, nothing of what was opened for it stays', async (t) => {
  const cluster = await openCluster(t);
  await place(cluster, web0, node1);
  await place(cluster, web1, node2);
  cluster.logs[0].write(web0, 'one');
  cluster.logs[1].write(web1, 'one');
  for (const query of [{}, { slot: '0' }, { slot: '1' }]) {
    const following = cluster.follow(0, query);
    await eventually('lines', 5_000, () => following.texts().length > 0);
    await following.end();
    await eventually('all to be closed', 5_000, () => {
      const open = [...cluster.logs.map(({ readers }) => readers), ...cluster.nodes.map(({ api }) => api.open)];
      if (open.every((count) => count === 0)) return true;
      throw new Error(open.join());
    });
  }
});
