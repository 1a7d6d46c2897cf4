import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../../../src/domain/errors.ts';
import { type ListPage, listAll } from '../../../src/etcd/list-all.ts';
import type { KeyValue } from '../../../src/etcd/port.ts';

const kv = (key: string, value = ''): KeyValue => ({ key, value, createRevision: 1, modRevision: 1, lease: '0' });
const at = (revision: number, clusterId = 'c') => ({ store: { clusterId, raftTerm: 2, revision } });
const stale = () => new AgentError('STALE', 'compacted');

test('listAll() asks each further page at the revision of the first, from after its last key', async () => {
  const asked: [from: string, revision: number | undefined][] = [];
  const pages: ListPage[] = [
    { kvs: [kv('/a/1')], more: true, ...at(7), last: Buffer.from('/a/1') },
    { kvs: [kv('/a/2')], more: false, ...at(7), last: Buffer.from('/a/2') },
  ];
  const { kvs, revision } = await listAll('/a/', async (from, _, at) => {
    asked.push([from.toString(), at]);
    return pages[asked.length - 1] as ListPage;
  });
  assert.deepEqual(asked, [
    ['/a/', undefined],
    ['/a/1\0', 7],
  ]);
  assert.equal(revision, 7);
  assert.equal(kvs.length, 2);
});

test('listAll() asks for fewer keys a page where values are large', async () => {
  const limits: number[] = [];
  const big = kv('/a/1', 'x'.repeat(200_000));
  await listAll('/a/', async (_, limit) => {
    limits.push(limit);
    return { kvs: [big, big], more: limits.length < 2, ...at(1), last: Buffer.from('/a/1') };
  });
  assert.deepEqual(limits, [500, 20]);
});

test('listAll() begins again when the store is compacted between two pages', async () => {
  let calls = 0;
  const { revision } = await listAll('/a/', async (_, __, revisionAsked) => {
    calls += 1;
    if (calls === 2) throw stale();
    if (revisionAsked === undefined)
      return { kvs: [kv('/a/1')], more: calls === 1, ...at(calls), last: Buffer.from('/a/1') };
    throw new Error('unexpected page');
  });
  assert.equal(revision, 3);
});

test('listAll() that is always overtaken by compaction is UNAVAILABLE', async () => {
  const overtaken = listAll('/a/', async (_, __, revisionAsked) => {
    if (revisionAsked !== undefined) throw stale();
    return { kvs: [kv('/a/1')], more: true, ...at(1), last: Buffer.from('/a/1') };
  });
  await assert.rejects(overtaken, { code: 'UNAVAILABLE' });
});

for (const [what, other] of [
  ['another cluster', at(9, 'd')],
  ['before its revision', at(6)],
] as const) {
  test(`listAll() of which a part comes from ${what} is UNAVAILABLE`, async () => {
    const mixed = listAll('/a/', async (_, __, revisionAsked) => {
      const isFirst = revisionAsked === undefined;
      return { kvs: [kv('/a/1')], more: isFirst, ...(isFirst ? at(7) : other), last: Buffer.from('/a/1') };
    });
    await assert.rejects(mixed, { code: 'UNAVAILABLE', message: /got a part from/ });
  });
}
