import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignmentCodec } from '../../../src/cluster/codecs.ts';
import type { Assignment } from '../../../src/domain/spec.ts';
import type { KeyValue } from '../../../src/etcd/port.ts';
import { type Log, silentLog } from '../../../src/loop/log.ts';
import { OrderBook } from '../../../src/node/order-book.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { layout, node, web } from './node-fixture.ts';

const range = layout.assignmentsOf(node);
const order: Assignment = { order: 'run', spec: 1, disconnect: 'keep', reason: 'placed', at: '' };
const hostile: readonly (readonly [path: string, value: string])[] = [
  ['web/1', 'not JSON'],
  ['web/2', '\u0000\ufffd\u0007'],
  ['web/3', 'x'.repeat(1_400_000)],
  ['web/4', '{"v":99,"order":"run"}'],
  ['web/5', '{"v":1,"order":"explode","spec":1,"disconnect":"keep","reason":"","at":""}'],
  ['web/6', '{"v":1,"order":"run","spec":"../../etc/passwd","disconnect":"keep","reason":"","at":""}'],
  ['../../etc/passwd', assignmentCodec.encode(order)],
  ['web/..', assignmentCodec.encode(order)],
  ['web/a\nb', assignmentCodec.encode(order)],
  ['web/\u001b[2J', assignmentCodec.encode(order)],
  ['web', assignmentCodec.encode(order)],
  [`web/${'9'.repeat(1_000_000)}`, assignmentCodec.encode(order)],
];

/** A book over what a store holds, and what it has said. */
function makeBook() {
  const clock = new FakeClock();
  const entries = new Map<string, KeyValue>();
  const lines: Record<string, unknown>[] = [];
  const warn: Log['warn'] = (fields: Readonly<Record<string, unknown>> | string) => {
    if (typeof fields !== 'string') lines.push(fields);
  };
  const put = (path: string, value: string, modRevision: number) => {
    const key = `${range}${path}`;
    entries.set(key, { key, value, createRevision: 1, modRevision, lease: '0' });
  };
  const book = new OrderBook({ mirror: { entries }, layout, node, clock, log: { ...silentLog, warn } });
  return { clock, entries, lines, put, book };
}

test('OrderBook reads what it can, takes an order that it cannot read for none, and names each key once', () => {
  const { entries, lines, put, book } = makeBook();
  put(web, assignmentCodec.encode(order), 1);
  for (const [path, value] of hostile) put(path, value, 2);
  for (let pass = 0; pass < 3; pass += 1) {
    const { readable, unreadable } = book.read();
    assert.deepEqual([...readable.keys()], [web]);
    assert.deepEqual([...unreadable.keys()].sort(), ['web/1', 'web/2', 'web/3', 'web/4', 'web/5', 'web/6']);
    for (const { error } of unreadable.values()) assert.ok(error.length < 700, 'no error floods a status');
  }
  assert.deepEqual(
    lines.map(({ key }) => String(key)).sort(),
    hostile.map(([path]) => `${range}${path}`.slice(0, 300)).sort(),
  );
  for (const [path] of hostile) entries.delete(`${range}${path}`);
  const { readable, unreadable } = book.read();
  assert.deepEqual([[...readable.keys()], unreadable.size], [[web], 0]);
});

test('OrderBook says little of an order that is spoilt over and over, and of many at once', async () => {
  const { clock, lines, put, book } = makeBook();
  for (let revision = 1; revision <= 1_000; revision += 1) {
    put('web/0', `garbage ${revision}`, revision);
    book.read();
  }
  assert.equal(lines.length, 1);
  for (let slot = 1; slot <= 1_000; slot += 1) put(`web/${slot}`, 'garbage', 2_000);
  book.read();
  assert.ok(lines.length <= 20, `${lines.length} lines`);
  await clock.advance(60_000);
  put('web/5000', 'garbage', 3_000);
  book.read();
  assert.equal(lines.at(-1)?.['key'], `${range}web/5000`);
});

test('OrderBook reads an order anew that a store which was set back has at the revision of another', () => {
  const { put, book } = makeBook();
  put(web, assignmentCodec.encode(order), 7);
  assert.equal(book.read().readable.get(web)?.assignment.spec, 1);
  put(web, assignmentCodec.encode({ ...order, spec: 2 }), 7);
  assert.equal(book.read().readable.get(web)?.assignment.spec, 2);
});
