import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  clusterSettingsCodec,
  instanceCodec,
  nodeRecordCodec,
  nodeSettingsCodec,
  nodeVerdictCodec,
  workloadCodec,
} from '../../../src/cluster/codecs.ts';
import type { InstanceKey, NodeId, WorkloadName } from '../../../src/domain/ids.ts';
import type { NodeSettings } from '../../../src/domain/node.ts';
import type { DrainProgress } from '../../../src/wire/node-settings-answers.ts';
import { eventually } from '../../support/eventually.ts';
import { makeWorkload, type WorkloadOptions } from '../plan/plan-cluster-world.ts';
import { addNode, assign, type Fixture, layout, node1, node2, openFixture, report } from './api-fixture.ts';

const key = (text: string) => text as InstanceKey;
const recently = () => new Date().toISOString();
const longAgo = '2026-01-01T00:00:00.000Z';

function settingsOf({ store }: Fixture, node: NodeId): NodeSettings | undefined {
  const stored = store.get(layout.nodeSettings(node));
  return stored === undefined ? undefined : nodeSettingsCodec.decode(stored.value, stored.key);
}

function setWorkload(fixture: Fixture, name: string, options: WorkloadOptions = {}): Promise<number> {
  return fixture.put(layout.workload(name as WorkloadName), workloadCodec.encode(makeWorkload(options)));
}

test('cordon, drain and uncordon set what the leader goes by, and say whether that was so already', async (t) => {
  const fixture = await openFixture(t);
  const { client } = fixture;
  await addNode(fixture, node1, 'node1');
  const cordoned = await client.cordonNode('node1', t.signal);
  assert.deepEqual([cordoned.node, cordoned.changed], [{ id: node1, hostname: 'node1' }, true]);
  assert.deepEqual(settingsOf(fixture, node1), { cordoned: true, draining: false, labels: {} });
  assert.equal((await client.cordonNode(node1, t.signal)).changed, false);
  const { drain } = await client.drainNode('node1', { deadlineMs: 60_000, force: true, keepGlobal: true }, t.signal);
  assert.deepEqual(settingsOf(fixture, node1), { cordoned: true, draining: true, labels: {}, drain });
  assert.deepEqual([drain?.force, drain?.keepGlobal], [true, true]);
  assert.equal(Date.parse(drain?.deadline ?? '') - Date.parse(drain?.since ?? ''), 60_000);
  const again = await client.drainNode('node1', {}, t.signal);
  assert.equal(again.drain?.since, drain?.since, 'it goes on, only otherwise');
  assert.equal(again.drain?.force, undefined);
  const listed = (await client.nodes({}, t.signal)).nodes[0];
  assert.deepEqual([listed?.draining, listed?.drain], [true, again.drain]);
  assert.equal((await client.uncordonNode(node1.slice(0, 5), t.signal)).changed, true);
  assert.deepEqual(settingsOf(fixture, node1), { cordoned: false, draining: false, labels: {} });
});

test('labels are set over the node’s own and taken back; what is the node’s own stays', async (t) => {
  const fixture = await openFixture(t);
  const { client } = fixture;
  await addNode(fixture, node1, 'node1');
  const record = nodeRecordCodec.decode(fixture.store.get(layout.nodeRecord(node1))?.value ?? '', '');
  await fixture.put(layout.nodeRecord(node1), nodeRecordCodec.encode({ ...record, labels: { zone: 'a' } }));
  const { labels } = await client.labelNode('node1', { set: { zone: 'b', disk: 'ssd' } }, t.signal);
  assert.deepEqual(labels, { disk: 'ssd', zone: 'b' });
  assert.deepEqual((await client.labelNode('node1', { remove: ['zone', 'none'] }, t.signal)).labels, { disk: 'ssd' });
  await assert.rejects(client.labelNode('node1', { remove: ['zone'] }, t.signal), /label "zone": it is the node's own/);
  await assert.rejects(client.labelNode('node1', { set: { a: '1' }, remove: ['a'] }, t.signal), /both set and remove/);
  await assert.rejects(client.labelNode('node1', { set: { 'a b': '1' } }, t.signal), /Cannot read the labels/);
  await assert.rejects(client.labelNode('node1', { set: { a: 'x\ny' } }, t.signal), /Cannot read the labels/);
  const many = Object.fromEntries(Array.from({ length: 100 }, (_none, at) => [`l${at}`, '']));
  await assert.rejects(
    client.labelNode('node1', { set: many }, t.signal),
    /101 labels on a node: expected at most 100/,
  );
  assert.deepEqual(settingsOf(fixture, node1)?.labels, { disk: 'ssd' });
});

test('labels that are too many, or that nobody could set any more, are taken away one after the other', async (t) => {
  const fixture = await openFixture(t);
  const { client } = fixture;
  await addNode(fixture, node1, 'node1');
  const long = 'x'.repeat(128);
  const many = Object.fromEntries(Array.from({ length: 102 }, (_none, at) => [`l${at}`, '']));
  const before = { cordoned: false, draining: false, labels: { ...many, [long]: 'a\nb' } };
  await fixture.put(layout.nodeSettings(node1), nodeSettingsCodec.encode(before));
  const count = () => Object.keys(settingsOf(fixture, node1)?.labels ?? {}).length;
  await client.labelNode('node1', { remove: [long] }, t.signal);
  assert.equal(count(), 102, 'a key that is too long');
  await client.labelNode('node1', { remove: ['l0'] }, t.signal);
  assert.equal(count(), 101, 'one of too many');
  await client.labelNode('node1', { set: { l1: 'x' } }, t.signal);
  assert.equal(settingsOf(fixture, node1)?.labels['l1'], 'x', 'as many as before');
  await assert.rejects(client.labelNode('node1', { set: { more: '' } }, t.signal), { code: 'LIMIT' });
  await assert.rejects(client.labelNode('node1', { set: { [long]: '' } }, t.signal), /Cannot read the labels/);
});

test('a change that comes second is made anew on what came first; settings of a later version are left alone', async (t) => {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  const changes = Array.from({ length: 4 }, (_none, at) =>
    fixture.client.labelNode('node1', { set: { [`l${at}`]: 'x' } }, t.signal),
  );
  await Promise.all([...changes, fixture.client.cordonNode('node1', t.signal)]);
  const settings = settingsOf(fixture, node1);
  assert.deepEqual([settings?.cordoned, Object.keys(settings?.labels ?? {}).length], [true, 4]);
  await fixture.put(layout.nodeSettings(node1), '{"v":9}');
  await assert.rejects(fixture.client.cordonNode('node1', t.signal), { code: 'CONFLICT' });
  await assert.rejects(fixture.client.cordonNode('nobody', t.signal), { code: 'NOT_FOUND' });
});

/** A node that drains, with one instance of each kind on it. */
async function openDrain(t: Parameters<typeof openFixture>[0]) {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  await addNode(fixture, node2, 'node2');
  await setWorkload(fixture, 'web');
  await setWorkload(fixture, 'log', { global: true });
  await fixture.client.drainNode('node1', {}, t.signal);
  return fixture;
}

const rowsOf = ({ left }: DrainProgress) => left.map(({ instance, state, why }) => `${instance} ${state}: ${why}`);

test('a drain says of each instance what it waits for, and is done when nothing was seen on the node any more', async (t) => {
  const fixture = await openDrain(t);
  const { client } = fixture;
  const progress = async () => client.drainProgress('node1', t.signal);
  assert.equal((await progress()).drained, true, 'nothing was ever on it');
  const own = key(`log/${node1}`);
  await assign(fixture, node1, key('web/0'));
  await assign(fixture, node1, own);
  await report(fixture, node1, own, {});
  const log = `log@${node1.slice(0, 8)}`;
  assert.deepEqual(rowsOf(await progress()), [
    `${log} last: is global: goes when all others have`,
    'web.0 waits: waits for its turn',
  ]);
  assert.equal((await progress()).drained, false, 'an order that is not answered yet counts');
  const pending = { since: longAgo, reason: 'cannot leave node1 (draining): its data is there', nodes: {} };
  const copies = [{ node: node1, role: 'current' as const }];
  await fixture.put(layout.instance(key('web/0')), instanceCodec.encode({ copies, moves: [], pending }));
  const blocked = await progress();
  assert.deepEqual([blocked.blocked, rowsOf(blocked)[1]], [true, `web.0 blocked: ${pending.reason}`]);
  const moved = [
    { node: node2, role: 'current' as const },
    { node: node1, role: 'superseded' as const },
  ];
  await fixture.put(layout.instance(key('web/0')), instanceCodec.encode({ copies: moved, moves: [] }));
  assert.deepEqual(rowsOf(await progress())[1], 'web.0 moving: its new copy on node2 is not healthy yet');
  const stop = { order: 'stop', reason: 'runs on node2', superseded: true } as const;
  await assign(fixture, node1, key('web/0'), stop);
  await fixture.put(layout.instance(key('web/0')), instanceCodec.encode({ copies: moved, moves: [] }));
  await report(fixture, node1, key('web/0'), { phase: 'running' });
  const stopping = await progress();
  assert.deepEqual([stopping.left[1]?.phase, rowsOf(stopping)[1]], ['stopping', 'web.0 stopping: runs on node2']);
  await fixture.remove(layout.assignment(node1, key('web/0')));
  assert.deepEqual(rowsOf(await progress())[1], 'web.0 blocked: runs there, and nothing orders it');
  await fixture.remove(layout.status(node1, key('web/0')));
  assert.deepEqual(rowsOf(await progress()), [`${log} waits: is about to stop`]);
  await client.drainNode('node1', { keepGlobal: true }, t.signal);
  const kept = await progress();
  assert.deepEqual([kept.drained, kept.left, kept.staying], [true, [], [log]]);
  await client.uncordonNode('node1', t.signal);
  assert.deepEqual([(await progress()).draining, (await progress()).drained], [false, false]);
});

test('of a node that is lost nobody sees what runs there: its drain is not done', async (t) => {
  const fixture = await openDrain(t);
  await assign(fixture, node1, key('web/0'));
  await report(fixture, node1, key('web/0'), {});
  await fixture.remove(layout.presence(node1));
  const progress = await fixture.client.drainProgress('node1', t.signal);
  assert.deepEqual([progress.state, progress.drained, progress.blocked], ['lost', false, true]);
  assert.match(progress.left[0]?.why ?? '', /^node1 is lost: nobody can see/);
});

test('the progress of a drain is told whenever it changes, until the client goes', async (t) => {
  const fixture = await openDrain(t);
  await assign(fixture, node1, key('web/0'));
  const frames: DrainProgress[] = [];
  const stop = new AbortController();
  const watching = (async () => {
    for await (const frame of fixture.client.watchDrain('node1', stop.signal)) frames.push(frame);
  })().catch(() => undefined);
  await eventually('the first frame', 5_000, () => frames.length === 1);
  await fixture.put(layout.instance(key('other/0')), instanceCodec.encode({ copies: [], moves: [] }));
  await report(fixture, node1, key('web/0'), { phase: 'running' });
  await eventually('the report', 5_000, () => frames.at(-1)?.left[0]?.phase === 'running');
  fixture.store.stop();
  fixture.store.start();
  await fixture.remove(layout.assignment(node1, key('web/0')));
  await fixture.remove(layout.status(node1, key('web/0')));
  await eventually('the end', 5_000, () => frames.at(-1)?.drained === true);
  stop.abort();
  await watching;
  await eventually('no request', 5_000, () => fixture.open() === 0);
});

test('a cordoned node keeps its global instance, and that is as desired', async (t) => {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  await addNode(fixture, node2, 'node2');
  await setWorkload(fixture, 'log', { global: true });
  for (const node of [node1, node2]) {
    const revision = await assign(fixture, node, key(`log/${node}`));
    await report(fixture, node, key(`log/${node}`), { assignmentRevision: revision });
  }
  await fixture.client.cordonNode('node1', t.signal);
  const { summary } = await fixture.client.workload('log', t.signal);
  assert.deepEqual([summary.converged, summary.wanted], [true, 2]);
});

async function openRemoval(
  t: Parameters<typeof openFixture>[0],
  options: WorkloadOptions,
  disconnect: 'keep' | 'stop',
) {
  const fixture = await openFixture(t);
  await fixture.put(
    layout.cluster,
    clusterSettingsCodec.encode({ layout: 1, ttlMs: 10_000, agentAwayMs: 60_000, epoch: 0 }),
  );
  await addNode(fixture, node1, 'node1');
  await addNode(fixture, node2, 'node2');
  await setWorkload(fixture, 'web', options);
  await assign(fixture, node1, key('web/0'), { disconnect });
  return fixture;
}

test('a node is removed only when it is gone, and nothing may run there that may run only once', async (t) => {
  const fixture = await openRemoval(t, { mode: 'stop', moveOrder: 'stop-first' }, 'stop');
  const remove = (force = false) => fixture.client.removeNode('node1', force, t.signal);
  await assert.rejects(remove(true), /Cannot remove node "node1": it is up; expected one that is gone for good/);
  await fixture.remove(layout.presence(node1));
  await assert.rejects(remove(), /it has only just gone, and web\.0 may still run there/);
  await fixture.put(layout.verdict(node1), nodeVerdictCodec.encode({ lostSince: recently() }));
  await assert.rejects(remove(), /web\.0 may still run there for 15 s; force says that its machine is dead/);
  assert.equal(settingsOf(fixture, node1), undefined);
  await fixture.put(layout.verdict(node1), nodeVerdictCodec.encode({ lostSince: longAgo }));
  assert.deepEqual([(await remove()).changed, settingsOf(fixture, node1)?.removal?.force], [true, undefined]);
  assert.equal((await remove()).changed, false);
  assert.deepEqual([(await remove(true)).changed, settingsOf(fixture, node1)?.removal?.force], [true, true]);
  const listed = (await fixture.client.nodes({}, t.signal)).nodes.find(({ id }) => id === node1);
  assert.equal(listed?.removing, true);
});

test('what was told to keep running for ever holds a removal up, unless the machine is said to be dead', async (t) => {
  const fixture = await openRemoval(t, { mode: 'stop', moveOrder: 'stop-first' }, 'keep');
  await fixture.remove(layout.presence(node1));
  await fixture.put(layout.verdict(node1), nodeVerdictCodec.encode({ lostSince: longAgo }));
  await assert.rejects(fixture.client.removeNode('node1', false, t.signal), /web\.0 was told to keep running there/);
  assert.equal((await fixture.client.removeNode('node1', true, t.signal)).changed, true);
});

test('what may run twice holds no removal up', async (t) => {
  const fixture = await openRemoval(t, {}, 'keep');
  await fixture.remove(layout.presence(node1));
  assert.equal((await fixture.client.removeNode('node1', false, t.signal)).changed, true);
});
