import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError, type ErrorCode, errorCodeOf } from '../../../src/domain/errors.ts';
import { CompactedError, type Kv, type Write } from '../../../src/etcd/port.ts';
import { recordWatch, replay } from '../../support/record-watch.ts';

/** One store and the means to disturb it. Each test takes a prefix of its own. */
export interface KvHarness {
  /** A client of its own; the harness closes it. */
  open(): Kv;
  compact(revision: number): Promise<void>;
  /** Breaks the clients' connections; they can reconnect at once. */
  breakConnections(): void;
  /** No client gets an answer until `reconnect`. */
  cutOff(): void;
  reconnect(): void;
  /** The answers of what is sent from now on are lost, until `reconnect`. */
  loseAnswers(): void;
  /** Lets the harness's time pass until the condition holds. */
  until(what: string, limitMs: number, condition: () => boolean | Promise<boolean>): Promise<void>;
  /** Awaits while the harness's time passes. */
  soon<T>(promise: Promise<T>): Promise<T>;
}

export function rejectsWith(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  return assert.rejects(promise, (error) => error instanceof AgentError && error.code === code);
}

const never = new AbortController().signal;

/** What every store behind the port does. `harness` is called in each test. */
export function kvContract(name: string, harness: () => KvHarness): void {
  let made = 0;
  const begin = () => {
    const it = harness();
    return { it, kv: it.open(), root: `/contract/${name}/${made++}/` };
  };
  const put = (kv: Kv, key: string, value: string) => kv.commit({ compares: [], writes: [{ put: key, value }] }, never);

  test(`${name}: get() tells a present key from an absent one`, async () => {
    const { kv, root } = begin();
    const before = await kv.get(`${root}a`, never);
    assert.equal(before.kv, undefined);
    const { revision, applied } = await put(kv, `${root}a`, 'ä→1');
    assert.equal(applied, true);
    assert.equal(revision, before.revision + 1);
    const expected = { key: `${root}a`, value: 'ä→1', createRevision: revision, modRevision: revision, lease: '0' };
    assert.deepEqual(await kv.get(`${root}a`, never), { kv: expected, ...(await kv.identity(never)) });
  });

  test(`${name}: list() reads more than a page, in order, and nothing beside the prefix`, async () => {
    const { kv, root } = begin();
    const keys = Array.from({ length: 1203 }, (_, at) => `${root}in/${String(at).padStart(5, '0')}`);
    const others = [`${root}in`, `${root}in0`, `${root}in.`, `${root}im/x`].map(
      (key): Write => ({ put: key, value: '' }),
    );
    await kv.commit({ compares: [], writes: others }, never);
    for (let at = 0; at < keys.length; at += 100) {
      const writes = keys.slice(at, at + 100).map((key): Write => ({ put: key, value: key }));
      await kv.commit({ compares: [], writes }, never);
    }
    const { kvs, ...store } = await kv.list(`${root}in/`, never);
    assert.deepEqual(
      kvs.map((kv) => kv.key),
      keys,
    );
    assert.deepEqual(store, await kv.identity(never));
    assert.deepEqual((await kv.list(`${root}none/`, never)).kvs, []);
    await rejectsWith(kv.list(`${root}in`, never), 'INVALID_INPUT');
  });

  test(`${name}: list() while others write shows one moment, and a watch from the next revision tells the rest`, async () => {
    const { it, kv, root } = begin();
    const stop = new AbortController();
    const start = await put(kv, `${root}k/begin`, '');
    for (let at = 0; at < 1100; at += 100) {
      const writes = Array.from({ length: 100 }, (_, n): Write => ({ put: `${root}k/${at + n}`, value: 'old' }));
      await kv.commit({ compares: [], writes }, never);
    }
    const all = recordWatch(kv, { prefix: `${root}k/` }, start.revision, stop.signal);
    const writer = it.open();
    const writing = (async () => {
      for (let n = 0; n < 60; n += 1) {
        const key = (m: number) => `${root}k/${(n * 37 + m * 211) % 1100}`;
        const writes: Write[] = [{ put: key(1), value: `v${n}` }, { put: key(2), value: `w${n}` }, { delete: key(3) }];
        await writer.commit({ compares: [], writes }, never);
      }
    })();
    const lists = [];
    for (let n = 0; n < 5; n += 1) lists.push(await kv.list(`${root}k/`, never));
    await writing;
    const { revision } = await kv.get(root, never);
    await it.until('all events', 10_000, () => all.revision >= revision);
    for (const { kvs, revision } of lists) {
      assert.deepEqual(new Map(kvs.map((kv) => [kv.key, kv.value])), replay(all.events, revision));
    }
    stop.abort();
    await all.ended;
  });

  test(`${name}: commit() applies all writes or none, by each kind of compare`, async () => {
    const { kv, root } = begin();
    const [a, b] = [`${root}a`, `${root}b`];
    const create = { compares: [{ key: a, createRevision: 0 }], writes: [{ put: a, value: '1' }] };
    const first = await kv.commit(create, never);
    assert.equal(first.applied, true);
    const again = await kv.commit(create, never);
    assert.deepEqual(again, { ...first, applied: false });
    const { id } = await kv.grantLease(60_000, never);
    const second = await kv.commit(
      { compares: [{ key: a, modRevision: first.revision }], writes: [{ put: a, value: '2', lease: id }] },
      never,
    );
    const compares = [
      { key: a, createRevision: first.revision },
      { key: a, modRevision: second.revision },
      { key: a, value: '2' },
      { key: a, lease: id },
      { key: b, modRevision: 0 },
      { key: b, createRevision: 0 },
      { key: b, lease: '0' },
    ];
    const lost = [
      { key: a, createRevision: second.revision },
      { key: a, modRevision: first.revision },
      { key: a, value: '1' },
      { key: a, lease: '0' },
      { key: b, value: '' },
      { key: b, modRevision: 1 },
    ];
    for (const compare of lost) {
      const got = await kv.commit(
        { compares: [...compares, compare], writes: [{ delete: a }, { put: b, value: '' }] },
        never,
      );
      assert.equal(got.applied, false, JSON.stringify(compare));
    }
    const third = await kv.commit({ compares, writes: [{ delete: a }, { put: b, value: 'x' }] }, never);
    assert.equal(third.applied, true);
    assert.equal(third.revision, second.revision + 1);
    assert.equal((await kv.get(a, never)).kv, undefined);
    assert.equal((await kv.get(b, never)).kv?.modRevision, third.revision);
    const nothing = await kv.commit({ compares: [], writes: [{ delete: a }] }, never);
    assert.deepEqual(nothing, { ...third, applied: true });
    await kv.revokeLease(id, never);
  });

  test(`${name}: what exceeds a limit is refused, and the client goes on working`, async () => {
    const { kv, root } = begin();
    const puts = (count: number) =>
      Array.from({ length: count }, (_, at): Write => ({ put: `${root}${at}`, value: '' }));
    await rejectsWith(kv.commit({ compares: [], writes: puts(129) }, never), 'LIMIT');
    const compares = Array.from({ length: 129 }, (_, at) => ({ key: `${root}${at}`, modRevision: 0 }));
    await rejectsWith(kv.commit({ compares, writes: puts(1) }, never), 'LIMIT');
    await rejectsWith(put(kv, `${root}big`, 'x'.repeat(2_000_000)), 'LIMIT');
    await rejectsWith(put(kv, `${root}big`, 'x'.repeat(4_000_000)), 'LIMIT');
    await rejectsWith(kv.commit({ compares: [], writes: [...puts(1), ...puts(1)] }, never), 'INVALID_INPUT');
    await rejectsWith(kv.commit({ compares: [], writes: [] }, never), 'INVALID_INPUT');
    const unknownLease = { compares: [], writes: [{ put: `${root}a`, value: '', lease: '4711' }] };
    await rejectsWith(kv.commit(unknownLease, never), 'NOT_FOUND');
    assert.deepEqual((await kv.list(root, never)).kvs, []);
    assert.equal((await kv.commit({ compares: compares.slice(1), writes: puts(128) }, never)).applied, true);
  });

  test(`${name}: a lease lives while it's renewed, by whomever, and takes its keys along`, async () => {
    const { it, kv, root } = begin();
    const stop = new AbortController();
    const other = it.open();
    const { id, ttlMs, store } = await kv.grantLease(5_000, never);
    assert.ok(ttlMs >= 5_000);
    const bound = {
      compares: [],
      writes: [
        { put: `${root}a`, value: '', lease: id },
        { put: `${root}b`, value: '', lease: id },
      ],
    };
    const { revision } = await kv.commit(bound, never);
    const seen = recordWatch(kv, { prefix: root }, revision + 1, stop.signal);
    const left = await kv.leaseTimeToLive(id, never);
    assert.equal(left.grantedMs, ttlMs);
    assert.ok(left.remainingMs > 0 && left.remainingMs <= ttlMs);
    const renewed = await it.soon(other.renewLease(id, 2_000, never));
    assert.equal(renewed.ttlMs, ttlMs);
    const { clusterId, raftTerm, revision: latest } = await kv.identity(never);
    for (const told of [store, renewed.store]) {
      assert.deepEqual([told.clusterId, told.raftTerm], [clusterId, raftTerm]);
      assert.ok(told.revision > 0 && told.revision <= latest);
    }
    assert.equal(seen.events.length, 0);
    await it.until('the lease to run out', ttlMs + 4_000, () => seen.events.length === 2);
    assert.deepEqual(
      seen.events.map(({ type, kv }) => [type, kv.key, kv.value, kv.modRevision]),
      ['a', 'b'].map((key) => ['delete', `${root}${key}`, '', revision + 1]),
    );
    assert.equal((await kv.renewLease(id, 2_000, never)).ttlMs, 0);
    assert.deepEqual((await kv.leaseTimeToLive(id, never)).remainingMs, 0);
    stop.abort();
    await seen.ended;
  });

  test(`${name}: revokeLease() drops the keys at once, and twice is once`, async () => {
    const { kv, root } = begin();
    const { id } = await kv.grantLease(60_000, never);
    await kv.commit({ compares: [], writes: [{ put: `${root}a`, value: '', lease: id }] }, never);
    await kv.revokeLease(id, never);
    assert.equal((await kv.get(`${root}a`, never)).kv, undefined);
    await kv.revokeLease(id, never);
    assert.equal((await kv.renewLease(id, 2_000, never)).ttlMs, 0);
  });

  test(`${name}: a key put again without its lease is bound to it no more`, async () => {
    const { kv, root } = begin();
    const { id } = await kv.grantLease(60_000, never);
    await kv.commit({ compares: [], writes: [{ put: `${root}a`, value: '1', lease: id }] }, never);
    await put(kv, `${root}a`, '2');
    await kv.revokeLease(id, never);
    assert.equal((await kv.get(`${root}a`, never)).kv?.value, '2');
  });

  test(`${name}: watch() tells each change from its revision on, a transaction in one piece`, async () => {
    const { it, kv, root } = begin();
    const stop = new AbortController();
    const first = await put(kv, `${root}d/a`, '1');
    await put(kv, `${root}d/a`, '2');
    const late = recordWatch(kv, { prefix: `${root}d/` }, first.revision + 1, stop.signal);
    const one = recordWatch(kv, { key: `${root}d/a` }, first.revision, stop.signal);
    await it.until('the past', 5_000, () => late.events.length === 1 && one.events.length === 2);
    await put(kv, `${root}d`, 'beside');
    await put(kv, `${root}d0`, 'beside');
    const both = await kv.commit(
      { compares: [], writes: [{ delete: `${root}d/a` }, { put: `${root}d/b`, value: '3' }] },
      never,
    );
    const again = await put(kv, `${root}d/a`, '4');
    await it.until('the present', 5_000, () => late.events.length === 4 && one.events.length === 4);
    assert.deepEqual(
      late.events.map(
        ({ type, kv }) => `${type} ${kv.key.slice(root.length)}=${kv.value}@${kv.modRevision - first.revision}`,
      ),
      ['put d/a=2@1', 'delete d/a=@4', 'put d/b=3@4', 'put d/a=4@5'],
    );
    assert.equal(one.events.at(-1)?.kv.createRevision, again.revision);
    for (const batch of late.batches) {
      assert.equal(batch.revision, batch.events.at(-1)?.kv.modRevision);
      const revisions = batch.events.map((event) => event.kv.modRevision);
      assert.equal(
        revisions.includes(both.revision),
        batch.events.some((event) => event.kv.key === `${root}d/b`),
      );
    }
    stop.abort();
    await Promise.all([late.ended, one.ended]);
  });

  test(`${name}: watch() from a revision to come begins there`, async () => {
    const { it, kv, root } = begin();
    const stop = new AbortController();
    const { revision } = await put(kv, `${root}a`, '1');
    const seen = recordWatch(kv, { prefix: root }, revision + 3, stop.signal);
    for (let n = 2; n <= 5; n += 1) await put(kv, `${root}a`, String(n));
    await it.until('two events', 5_000, () => seen.events.length === 2);
    assert.deepEqual(
      seen.events.map((event) => event.kv.value),
      ['4', '5'],
    );
    await rejectsWith(
      kv.watch({ prefix: root }, 0, () => {}, never),
      'INVALID_INPUT',
    );
    await rejectsWith(
      kv.watch({ prefix: '/a' }, 1, () => {}, never),
      'INVALID_INPUT',
    );
    stop.abort();
    await seen.ended;
  });

  test(`${name}: watch() over broken connections loses nothing and doubles nothing`, async () => {
    const { it, kv, root } = begin();
    const stop = new AbortController();
    const writer = it.open();
    const { revision } = await put(kv, `${root}begin`, '');
    const seen = recordWatch(kv, { prefix: root }, revision + 1, stop.signal);
    const wanted: string[] = [];
    for (let n = 0; n < 200; n += 1) {
      // With its reply lost, a write is read before it is sent again.
      const write = () => put(writer, `${root}${n % 7}`, String(n));
      await write().catch(async (error) => {
        assert.equal(errorCodeOf(error), 'UNAVAILABLE');
        const { kv: now } = await writer.get(`${root}${n % 7}`, never);
        if (now?.value !== String(n)) await write();
      });
      wanted.push(String(n));
      if (n % 25 === 7) it.breakConnections();
    }
    await it.until('all events', 10_000, () => seen.events.length >= wanted.length);
    assert.deepEqual(
      seen.events.map((event) => event.kv.value),
      wanted,
    );
    const before = seen.batches.length;
    it.breakConnections();
    await it.until('word of another connection', 10_000, () => seen.batches.length > before + 1);
    const [lost, resumed] = seen.batches.slice(before);
    const told = { revision: seen.events.at(-1)?.kv.modRevision, events: [] };
    assert.deepEqual(lost, { ...told, connection: 'lost' });
    assert.deepEqual(resumed, { ...told, connection: await kv.identity(never) });
    stop.abort();
    await seen.ended;
  });

  test(`${name}: a watch over its first connection says nothing of it`, async () => {
    const { it, kv, root } = begin();
    const stop = new AbortController();
    const { revision } = await put(kv, `${root}a`, '1');
    const seen = recordWatch(kv, { prefix: root }, revision, stop.signal);
    await it.until('the event', 5_000, () => seen.batches.length > 0);
    assert.ok(seen.batches.every((batch) => batch.connection === undefined));
    stop.abort();
    await seen.ended;
  });

  test(`${name}: watch() from a compacted revision is STALE, one that follows isn't`, async () => {
    const { it, kv, root } = begin();
    const stop = new AbortController();
    const first = await put(kv, `${root}a`, '1');
    const seen = recordWatch(kv, { prefix: root }, first.revision, stop.signal);
    await it.until('the first event', 5_000, () => seen.events.length === 1);
    for (let n = 2; n <= 5; n += 1) await put(kv, `${root}a`, String(n));
    const { revision } = await kv.get(root, never);
    await it.until('the other events', 5_000, () => seen.events.length === 5);
    await it.compact(revision);
    const late = it.soon(kv.watch({ prefix: root }, first.revision, () => {}, never));
    await rejectsWith(late, 'STALE');
    await late.catch((error: unknown) => {
      assert.ok(error instanceof CompactedError);
      assert.equal(error.oldest, revision);
    });
    const later = recordWatch(kv, { prefix: root }, revision, stop.signal);
    await it.until('what the store still has', 5_000, () => later.events.length === 1);
    await put(kv, `${root}a`, '6');
    await it.until('the event after the compaction', 5_000, () => seen.events.length === 6);
    stop.abort();
    await seen.ended;
  });

  test(`${name}: watch() tells what a key held before where that is asked for`, async () => {
    const { it, kv, root } = begin();
    const stop = new AbortController();
    const first = await put(kv, `${root}a`, '1');
    await put(kv, `${root}a`, '2');
    await kv.commit({ compares: [], writes: [{ delete: `${root}a` }] }, never);
    const asked = recordWatch(kv, { prefix: root, previous: true }, first.revision, stop.signal);
    const plain = recordWatch(kv, { prefix: root }, first.revision, stop.signal);
    await it.until('all events', 5_000, () => asked.events.length === 3 && plain.events.length === 3);
    const told = asked.events.map(({ type, previous }) => [type, previous?.value, previous?.modRevision]);
    assert.deepEqual(told, [
      ['put', undefined, undefined],
      ['put', '1', first.revision],
      ['delete', '2', first.revision + 1],
    ]);
    assert.ok(plain.events.every((event) => !('previous' in event)));
    stop.abort();
    await Promise.all([asked.ended, plain.ended]);
  });

  test(`${name}: what onBatch throws ends the watch`, async () => {
    const { it, kv, root } = begin();
    const { revision } = await put(kv, `${root}a`, '1');
    const broken = new Error('broken consumer');
    const watching = kv.watch(
      { prefix: root },
      revision,
      () => {
        throw broken;
      },
      never,
    );
    await assert.rejects(it.soon(watching), broken);
  });

  test(`${name}: on abort a call throws the signal's reason, and a watch resolves`, async () => {
    const { it, kv, root } = begin();
    const reason = new Error('enough');
    const aborted = AbortSignal.abort(reason);
    await assert.rejects(kv.get(root, aborted), reason);
    await assert.rejects(kv.commit({ compares: [], writes: [{ put: root, value: '' }] }, aborted), reason);
    await kv.watch({ prefix: root }, 1, () => assert.fail('no event was due'), aborted);
    assert.equal((await kv.get(root, never)).kv, undefined);
    it.cutOff();
    const stop = new AbortController();
    const calls = [kv.get(root, stop.signal), kv.list(root, stop.signal), kv.renewLease('1', 2_000, stop.signal)];
    const watching = kv.watch({ prefix: root }, 1, () => {}, stop.signal);
    stop.abort(reason);
    for (const call of calls) await assert.rejects(call, reason);
    await watching;
    it.reconnect();
    await it.soon(kv.get(root, never));
  });

  test(`${name}: while the store is away calls end UNAVAILABLE in time; when it's back a watch tells all`, async () => {
    const { it, kv, root } = begin();
    const stop = new AbortController();
    const { revision } = await put(kv, `${root}a`, '1');
    const seen = recordWatch(kv, { prefix: root }, revision + 1, stop.signal);
    it.cutOff();
    const reading = rejectsWith(kv.get(root, never), 'UNAVAILABLE');
    const writing = rejectsWith(put(kv, `${root}a`, '2'), 'UNAVAILABLE');
    const renewing = rejectsWith(kv.renewLease('1', 2_000, never), 'UNAVAILABLE');
    await it.soon(Promise.all([reading, writing, renewing]));
    it.reconnect();
    assert.equal((await it.soon(kv.get(`${root}a`, never))).kv?.value, '1');
    await it.soon(put(kv, `${root}a`, '3'));
    await it.until('the event', 10_000, () => seen.events.length === 1);
    stop.abort();
    await seen.ended;
  });

  test(`${name}: a write whose answer is lost is UNAVAILABLE, was applied, and wasn't sent twice`, async () => {
    const { it, kv, root } = begin();
    await put(kv, `${root}a`, '1');
    it.loseAnswers();
    const lost = { compares: [{ key: `${root}b`, createRevision: 0 }], writes: [{ put: `${root}b`, value: '2' }] };
    await it.soon(rejectsWith(kv.commit(lost, never), 'UNAVAILABLE'));
    it.reconnect();
    const { kv: b, revision } = await it.soon(kv.get(`${root}b`, never));
    assert.equal(b?.value, '2');
    assert.equal(b?.modRevision, revision);
  });

  test(`${name}: identity() stays, and its revision grows with the store's`, async () => {
    const { kv, root } = begin();
    const first = await kv.identity(never);
    const { revision } = await put(kv, `${root}a`, '1');
    const second = await kv.identity(never);
    assert.equal(second.clusterId, first.clusterId);
    assert.ok(second.raftTerm >= first.raftTerm && first.raftTerm > 0);
    assert.equal(second.revision, revision);
  });

  test(`${name}: after close() calls and watches end UNAVAILABLE`, async () => {
    const { it, kv, root } = begin();
    await kv.get(root, never);
    const watching = rejectsWith(
      kv.watch({ prefix: root }, 1, () => {}, never),
      'UNAVAILABLE',
    );
    await it.soon(kv.get(root, never));
    kv.close();
    await it.soon(watching);
    await it.soon(rejectsWith(kv.get(root, never), 'UNAVAILABLE'));
    await it.soon(rejectsWith(put(kv, root, ''), 'UNAVAILABLE'));
  });
}
