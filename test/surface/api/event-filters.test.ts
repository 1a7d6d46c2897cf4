import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { nodeSettingsCodec, workloadCodec } from '../../../src/cluster/codecs.ts';
import type { ClusterEvent } from '../../../src/domain/event.ts';
import type { InstanceKey, WorkloadName } from '../../../src/domain/ids.ts';
import type { ListingFilter } from '../../../src/wire/listing-filter.ts';
import { eventually } from '../../support/eventually.ts';
import {
  addNode,
  assign,
  type Fixture,
  layout,
  node1,
  node2,
  openFixture,
  report,
} from '../../unit/api/api-fixture.ts';
import { makeWorkload } from '../../unit/plan/plan-cluster-world.ts';

const web = 'web' as WorkloadName;
const db = 'db' as WorkloadName;
const web0 = 'web/0' as InstanceKey;
const db0 = 'db/0' as InstanceKey;

async function put({ put: write }: Fixture, name: WorkloadName, labels: Readonly<Record<string, string>>, spec = 1) {
  await write(layout.workload(name), workloadCodec.encode({ ...makeWorkload({ spec }), labels }));
}

/** `web` of team shop on node1, `db` of no team on node2 in zone b, each with one instance; that of `db` fails. */
async function openHistory(t: TestContext): Promise<Fixture> {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  await addNode(fixture, node2, 'node2');
  const settings = { cordoned: false, draining: false, labels: { zone: 'b' } };
  await fixture.put(layout.nodeSettings(node2), nodeSettingsCodec.encode(settings));
  await put(fixture, web, { team: 'shop' });
  await put(fixture, db, {});
  await assign(fixture, node1, web0);
  await report(fixture, node1, web0, {});
  await assign(fixture, node2, db0);
  await report(fixture, node2, db0, { healthy: false });
  await report(fixture, node2, db0, { phase: 'failed', healthy: false, lastError: 'exit code 3' });
  return fixture;
}

async function told({ client }: Fixture, filter: ListingFilter & { readonly about?: string }, signal: AbortSignal) {
  const seen: string[] = [];
  for await (const { subject, type } of client.events({ follow: false, ...filter }, signal))
    seen.push(`${subject} ${type}`);
  return seen;
}

const ofDb = ['db.0 instance.placed', 'db.0 instance.started', 'db.0 instance.failed'];
const ofNode2 = ['node2 node.joined', 'node2 node.labelled', ...ofDb];
const ofWeb = ['web.0 instance.placed', 'web.0 instance.started', 'web.0 instance.healthy'];

const asked: readonly (readonly [filter: ListingFilter & { readonly about?: string }, expected: readonly string[]])[] =
  [
    [{ node: 'node2' }, ofNode2],
    [{ phase: ['failed'] }, ['db.0 instance.failed']],
    [{ phase: ['failed', 'running'], node: 'node2' }, ['db.0 instance.started', 'db.0 instance.failed']],
    [{ phase: ['pending'] }, []],
    [{ label: ['team=shop'] }, ['web workload.applied', ...ofWeb]],
    [{ label: ['zone=b'] }, ofNode2],
    [{ label: ['zone=b'], about: 'db' }, ofDb],
    [{ label: ['team=shop', 'zone=b'] }, []],
    [{ label: ['team=other'] }, []],
  ];

test('events are narrowed by the labels of workloads and nodes, by node and by phase; all that is given must hold', async (t) => {
  const fixture = await openHistory(t);
  for (const [filter, expected] of asked)
    assert.deepEqual(await told(fixture, filter, t.signal), expected, JSON.stringify(filter));
});

test('a phase that no event tells of, and two nodes at once, are refused rather than overlooked', async (t) => {
  const fixture = await openHistory(t);
  await assert.rejects(told(fixture, { phase: ['pulling'] }, t.signal), {
    code: 'INVALID_INPUT',
    message: 'Cannot use phase "pulling": expected one of pending, running, failed, stopped: of others no event tells',
  });
  await assert.rejects(told(fixture, { node: ['node1', 'node2'] as unknown as string }, t.signal), /expected one node/);
  await assert.rejects(told(fixture, { label: ['zone'] }, t.signal), /expected key=value/);
});

test('what is gone is still known by its last label, also that it was removed', async (t) => {
  const fixture = await openHistory(t);
  await fixture.remove(layout.workload(web));
  const expected = ['web workload.applied', ...ofWeb, 'web workload.removed'];
  assert.deepEqual(await told(fixture, { label: ['team=shop'] }, t.signal), expected);
});

test('a follower by label hears of what gets the label, and no more of what has lost it', async (t) => {
  const fixture = await openHistory(t);
  const seen: ClusterEvent[] = [];
  const stop = new AbortController();
  const follow = async () => {
    const query = { follow: true, label: ['team=shop'] };
    for await (const event of fixture.client.events(query, AbortSignal.any([t.signal, stop.signal]))) seen.push(event);
  };
  const following = assert.rejects(follow());
  await eventually('the watch', 5_000, () => (fixture.kv.calls.get('watch') ?? 0) > 0);
  await put(fixture, web, {}, 2);
  await report(fixture, node1, web0, { phase: 'stopped', healthy: false });
  await put(fixture, db, { team: 'shop' }, 2);
  await report(fixture, node2, db0, { phase: 'stopped', healthy: false });
  const types = () => seen.map(({ subject, type }) => `${subject} ${type}`);
  await eventually('the last of them', 5_000, () => types().includes('db.0 instance.stopped'));
  assert.deepEqual(types(), ['db workload.changed', 'db.0 instance.stopped']);
  stop.abort();
  await following;
});

test('history is narrowed by node, label and phase, and is not missing where nothing matches', async (t) => {
  const fixture = await openHistory(t);
  const what = async (filter: ListingFilter) =>
    (await fixture.client.history('db', filter, t.signal)).entries.map((entry) => entry.what);
  const all = ['placed', 'started', 'failed'];
  assert.deepEqual(await what({}), all);
  assert.deepEqual(await what({ phase: ['failed'] }), ['failed']);
  assert.deepEqual(await what({ node: 'node2', label: ['zone=b'] }), all);
  assert.deepEqual(await what({ node: 'node1' }), []);
  assert.deepEqual(await what({ label: ['zone=a'] }), []);
  await fixture.remove(layout.workload(db));
  assert.deepEqual(await what({ phase: ['pending'] }), []);
  await assert.rejects(what({ phase: ['lost'] }), /expected one of pending, running, failed, stopped/);
});
