import assert from 'node:assert/strict';
import { Agent, type IncomingMessage, request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { parseEventQuery } from '../../../src/api/events-query.ts';
import { EventQueue } from '../../../src/api/events-queue.ts';
import { workloadCodec } from '../../../src/cluster/codecs.ts';
import type { ClusterEvent } from '../../../src/domain/event.ts';
import type { InstanceKey, WorkloadName } from '../../../src/domain/ids.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
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

function change(fixture: Fixture, spec: number): Promise<number> {
  return fixture.put(layout.workload(web), workloadCodec.encode(makeWorkload({ spec })));
}

interface Opened {
  readonly response: IncomingMessage;
  /** What has come so far. */
  readonly text: () => string;
}

/** A request as a client of its own makes it. `reads` false: it takes nothing until told to. */
async function open(
  t: TestContext,
  { socketPath }: Fixture,
  path: string,
  headers: Readonly<Record<string, string>>,
  reads = true,
): Promise<Opened> {
  const agent = new Agent();
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ socketPath, path, agent, headers: { host: 'muster', ...headers } }, resolve)
      .on('error', reject)
      .end();
  });
  t.after(() => {
    response.destroy();
    agent.destroy();
  });
  response.on('error', () => {});
  let text = '';
  response.setEncoding('utf8');
  if (reads) response.on('data', (chunk: string) => (text += chunk));
  return { response, text: () => text };
}

/** The events of a stream of server-sent events: `id`, `event` and the data of each. */
function parseStream(text: string): { id: string | undefined; event: string | undefined; data: ClusterEvent }[] {
  return text.split('\n\n').flatMap((block) => {
    const fields = new Map(
      block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
    );
    const data = fields.get('data');
    if (data === undefined) return [];
    return [{ id: fields.get('id'), event: fields.get('event'), data: JSON.parse(data) as ClusterEvent }];
  });
}

const asStream = { accept: 'text/event-stream' };

test('events are server-sent events with the revision as ID, and go on after the last one that was seen', async (t) => {
  const fixture = await openFixture(t);
  const first = await open(t, fixture, '/v1/events', asStream);
  assert.equal(first.response.headers['content-type'], 'text/event-stream');
  await eventually('a first sign of life', 5_000, () => first.text().startsWith(': still here\n\n'));
  await eventually('the watch', 5_000, () => (fixture.kv.calls.get('watch') ?? 0) > 0);
  const revisions = [await change(fixture, 1), await change(fixture, 2)];
  await eventually('both events', 5_000, () => parseStream(first.text()).length === 2);
  const told = parseStream(first.text());
  assert.deepEqual(
    told.map(({ id, event }) => [id, event]),
    [
      [String(revisions[0]), 'workload.applied'],
      [String(revisions[1]), 'workload.changed'],
    ],
  );
  assert.equal(told[1]?.data.text, 'web changed, spec 1 to 2');
  first.response.destroy();
  revisions.push(await change(fixture, 3));
  const again = await open(t, fixture, '/v1/events', { ...asStream, 'last-event-id': told[0]?.id ?? '' });
  await eventually('what was missed', 5_000, () => parseStream(again.text()).length === 2);
  assert.deepEqual(
    parseStream(again.text()).map(({ id }) => id),
    revisions.slice(1).map(String),
  );
});

test('without being asked for a stream of events it answers one JSON value a line, of what has happened', async (t) => {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  await change(fixture, 1);
  await assign(fixture, node1, 'web/0' as InstanceKey);
  await report(fixture, node1, 'web/0' as InstanceKey, {});
  const lines = async (query: Parameters<typeof fixture.client.events>[0]) => {
    const texts: string[] = [];
    for await (const event of fixture.client.events(query, t.signal)) texts.push(event.type);
    return texts;
  };
  const all = ['node.joined', 'workload.applied', 'instance.placed', 'instance.started', 'instance.healthy'];
  assert.deepEqual(await lines({ follow: false }), all);
  assert.deepEqual(await lines({ follow: false, workload: 'web' }), all.slice(1));
  assert.deepEqual(await lines({ follow: false, about: 'web.0' }), all.slice(2));
  assert.deepEqual(await lines({ follow: false, node: 'node1' }), [all[0], ...all.slice(2)]);
  assert.deepEqual(await lines({ follow: false, about: node1.slice(0, 6) }), [all[0], ...all.slice(2)]);
  assert.deepEqual(await lines({ follow: false, about: 'nobody' }), []);
  assert.deepEqual(await lines({ follow: false, since: '2026-01-01T00:00:00.001Z' }), []);
  await assert.rejects(
    lines({ follow: false, since: 'yesterday' }),
    /Cannot use since "yesterday": expected an event's ID/,
  );
});

test('a follower that reads slowly costs a bounded memory, and is told how much it lost and where to read it', async (t) => {
  const fixture = await openFixture(t);
  const slow = await open(t, fixture, '/v1/events', asStream, false);
  await eventually('the watch', 5_000, () => (fixture.kv.calls.get('watch') ?? 0) > 0);
  const count = 6_000;
  for (let spec = 1; spec <= count; spec += 1) await change(fixture, spec);
  let text = '';
  slow.response.on('data', (chunk: string) => (text += chunk));
  await eventually('the loss', 10_000, () => text.includes('events.lost'));
  const last = await change(fixture, count + 1);
  await eventually('what comes after it', 10_000, () => text.includes(`\nid: ${last}\n`));
  const told = parseStream(text);
  const at = told.findIndex(({ event }) => event === 'events.lost');
  const { lost } = told[at]?.data ?? {};
  assert.ok(lost !== undefined && lost.why === 'slow' && lost.count > 1_000, JSON.stringify(lost));
  assert.equal(at + lost.count, count, 'what was told and what was lost is all that happened');
  assert.equal(told[at - 1]?.id, String(lost.after));
  const again: string[] = [];
  for await (const event of fixture.client.events({ follow: false, since: String(lost.after) }, t.signal))
    again.push(event.id);
  assert.equal(again.length, lost.count + 1, 'the store still has it');
  assert.equal(again[0], String(lost.after + 1));
});

test('a stream ends, and its watch with it, when the client goes', async (t) => {
  const fixture = await openFixture(t);
  const { response } = await open(t, fixture, '/v1/events', asStream);
  await eventually('the request', 5_000, () => fixture.open() === 1);
  response.destroy();
  await eventually('its end', 5_000, () => fixture.open() === 0);
});

function makeEvent(revision: number, over: Partial<ClusterEvent> = {}): ClusterEvent {
  const about = { type: 'workload.changed', subject: 'web', text: 'web changed', workload: web } as const;
  return { id: String(revision), revision, at: '2026-01-01T00:00:00.000Z', ...about, ...over };
}

test('the queue of a follower holds no more than its limit, whatever is new, and history waits', async () => {
  const queue = new EventQueue(systemClock, ({ id, lost }) => (lost ? `lost ${lost.count} ` : `${id} `), 10);
  assert.equal(queue.take([makeEvent(1)], true), true);
  assert.equal(queue.take([makeEvent(2), makeEvent(3), makeEvent(4), makeEvent(5), makeEvent(6)], true), false);
  let hasRoom = false;
  const waiting = queue.untilRoom(new AbortController().signal).then(() => {
    hasRoom = true;
  });
  queue.take([makeEvent(7), makeEvent(8)], false);
  assert.equal(hasRoom, false);
  assert.equal(queue.read(), '1 2 3 4 5 6 ');
  await waiting;
  assert.equal(queue.read(), 'lost 2 ');
  queue.take([makeEvent(9)], false);
  assert.equal(queue.read(), '9 ');
  assert.equal(queue.read(), undefined);
  queue.end({ error: new Error('broken') });
  assert.throws(() => queue.read(), /broken/);
});

const now = new Date('2026-01-01T01:00:00.000Z');
const queries: [since: string | undefined, follow: boolean, start: unknown][] = [
  [undefined, true, 'present'],
  [undefined, false, 'oldest'],
  ['12', true, { after: 12 }],
  ['12.0', true, { after: 11, skip: 1 }],
  ['12.3', true, { after: 11, skip: 4 }],
  ['10m', true, 'oldest'],
  ['2026-01-01T00:30:00Z', true, 'oldest'],
];
for (const [since, follow, start] of queries) {
  test(`since ${since ?? 'nothing'}, ${follow ? 'followed' : 'once'}, begins with ${JSON.stringify(start)}`, () => {
    const wish = parseEventQuery({ since, follow: String(follow), isEventStream: false }, now);
    assert.deepEqual(wish.start, start);
  });
}

test('a time narrows what is told to what is at or after it; what was lost is always told', () => {
  const { wants } = parseEventQuery({ since: '10m', workload: 'web', isEventStream: false }, now);
  assert.equal(wants(makeEvent(1, { at: '2026-01-01T00:49:59.000Z' })), false);
  assert.equal(wants(makeEvent(1, { at: '2026-01-01T00:50:00.000Z' })), true);
  const ends = { id: node2, hostname: 'node2' };
  assert.equal(wants(makeEvent(1, { type: 'node.back', workload: undefined as never, node: ends })), false);
  assert.equal(wants(makeEvent(1, { type: 'events.lost' })), true);
});

test('history is an instance’s recorded moves and what became of it besides, by time, none twice', async (t) => {
  const fixture = await openFixture(t);
  await addNode(fixture, node1, 'node1');
  await change(fixture, 1);
  const key = 'web/0' as InstanceKey;
  await assign(fixture, node1, key);
  await report(fixture, node1, key, { since: '2026-01-01T00:00:01.000Z' });
  await report(fixture, node1, key, { phase: 'failed', lastError: 'exit code 3', since: '2026-01-01T00:00:09.000Z' });
  const { entries } = await fixture.client.history('web', {}, t.signal);
  assert.deepEqual(
    entries.map(({ display, what, to, node, why }) => [display, what, (to ?? node)?.hostname, why]),
    [
      ['web.0', 'placed', 'node1', 'placed'],
      ['web.0', 'started', 'node1', undefined],
      ['web.0', 'healthy', 'node1', undefined],
      ['web.0', 'failed', 'node1', 'exit code 3'],
    ],
  );
  fixture.store.compact();
  const later = await fixture.client.history('web', {}, t.signal);
  assert.deepEqual(
    later.entries.map(({ what }) => what),
    ['placed'],
    'what is recorded outlives the store’s history',
  );
  await assert.rejects(fixture.client.history('nobody', {}, t.signal), /Cannot find workload "nobody"/);
});
