import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { StoreTrust } from '../../../src/cluster/store-trust.ts';
import { TrustedKv } from '../../../src/cluster/trusted-kv.ts';
import { errorCodeOf } from '../../../src/domain/errors.ts';
import { CompactedError } from '../../../src/etcd/port.ts';
import { ChildAbort } from '../../../src/loop/child-abort.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { advanceUntil } from '../../support/advance-until.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeStateFiles } from '../../support/fake-state-files.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { type Recorded, recordWatch } from '../../support/record-watch.ts';

const never = new AbortController().signal;

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of open.splice(0)) await end();
});

/** A trusted store with a client whose look at it can be held up. */
async function makeWorld() {
  const clock = new FakeClock();
  const store = new MemoryStore(clock);
  const client = store.client();
  const look = { heldUp: Promise.resolve() };
  const trust = new StoreTrust({
    ...{ kv: client, files: new FakeStateFiles(), root: '/muster/demo/', clock, log: silentLog },
    ...{ random: () => 0.5, onChange: () => {} },
    readSettings: () => look.heldUp.then(() => ({ epoch: 1 })),
  });
  await trust.load();
  const stop = new AbortController();
  assert.ok(await trust.judge({ epoch: 1 }, never));
  const running = trust.run(stop.signal);
  const holdUp = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    look.heldUp = promise;
    open.unshift(async () => resolve()); // so that a test that fails ends
    return resolve;
  };
  const end = async () => {
    stop.abort();
    await clock.advance(0);
    await running;
  };
  open.push(end);
  const put = (key: string) => store.commit({ compares: [], writes: [{ put: key, value: '' }] });
  return { clock, store, client, trust, kv: new TrustedKv(client, trust, clock), holdUp, put };
}

/** The error's code with which a watch ends within a second. */
async function codeOfEnd(clock: FakeClock, { ended }: Recorded): Promise<string | undefined> {
  const failure: { error?: unknown } = {};
  const ending = ended.catch((error: unknown) => {
    failure.error = error;
  });
  await advanceUntil(clock, 'the end of the watch', () => failure.error !== undefined, 1_000);
  await ending;
  return errorCodeOf(failure.error);
}

test('while something speaks against the store, calls wait for the look at it', async () => {
  const { clock, trust, kv, holdUp } = await makeWorld();
  const goOn = holdUp();
  trust.suspect();
  let isAnswered = false;
  const getting = kv.get('/a', never).then(() => {
    isAnswered = true;
  });
  await clock.advance(1_000);
  assert.equal(isAnswered, false);
  goOn();
  await advanceUntil(clock, 'the answer', () => isAnswered, 100);
  await getting;
});

test('a look that takes too long ends them UNAVAILABLE', async () => {
  const { clock, trust, kv, holdUp } = await makeWorld();
  const goOn = holdUp();
  trust.suspect();
  const getting = assert.rejects(kv.get('/a', never), { code: 'UNAVAILABLE' });
  await clock.advance(6_000);
  await getting;
  goOn();
});

test('an answer that comes while something speaks against the store is passed on after the look', async () => {
  const { clock, store, client, trust, kv, holdUp, put } = await makeWorld();
  const snapshot = store.snapshot();
  client.setFaults({ delayMs: 1_000 });
  const listing = kv.list('/w/', never);
  await clock.advance(100);
  const goOn = holdUp();
  trust.suspect();
  store.restore({ ...snapshot, revision: store.revision }, 'foreign');
  put('/w/other');
  let isSettled = false;
  const settled = assert.rejects(listing, { code: 'UNAVAILABLE' }).then(() => {
    isSettled = true;
  });
  await clock.advance(2_000);
  assert.equal(isSettled, false);
  client.setFaults({ delayMs: 0 });
  goOn();
  await advanceUntil(clock, 'the end', () => isSettled, 6_000);
  await settled;
  assert.equal(trust.revision, 2, 'as the other one is found, which is in doubt');
  assert.equal(trust.known?.line.revision, 1);
});

test('what a watch has told over a connection that is lost again before the look is not told: it is listed anew', async () => {
  const { clock, client, kv, holdUp, put } = await makeWorld();
  const seen = recordWatch(kv, { prefix: '/w/' }, 2, never);
  await clock.advance(0);
  holdUp();
  const breakOff = async () => {
    client.cutOff();
    client.reconnect();
    await clock.advance(100);
  };
  await breakOff();
  put('/w/1');
  await clock.advance(100);
  await breakOff();
  assert.equal(await codeOfEnd(clock, seen), 'UNAVAILABLE');
  assert.deepEqual(seen.events, []);
});

test('a watch that goes on with a member of another cluster ends', async () => {
  const { clock, store, kv, holdUp } = await makeWorld();
  const seen = recordWatch(kv, { prefix: '/w/' }, 2, never);
  await clock.advance(0);
  holdUp();
  store.restore({ ...store.snapshot() }, 'foreign');
  assert.equal(await codeOfEnd(clock, seen), 'UNAVAILABLE');
});

test('a watch that has ended tells nothing more', async () => {
  const { clock, client, trust, holdUp } = await makeWorld();
  const event = { key: '/w/1', value: '', createRevision: 2, modRevision: 2, lease: '0' };
  client.watch = async (_range, _from, onBatch) => {
    onBatch({ revision: 1, events: [], connection: 'lost' });
    onBatch({ revision: 2, events: [{ type: 'put', kv: event }] });
    throw new CompactedError('Cannot watch: compacted', 9);
  };
  const goOn = holdUp();
  const seen = recordWatch(new TrustedKv(client, trust, clock), { prefix: '/w/' }, 2, never);
  await assert.rejects(seen.ended, { code: 'STALE' });
  goOn();
  await advanceUntil(clock, 'the look', () => trust.isClear || !trust.isUsable, 1_000);
  assert.deepEqual(seen.batches, []);
});

test('what a watch tells over another connection is passed on after the look, in order', async () => {
  const { clock, client, kv, holdUp, put } = await makeWorld();
  using stop = new ChildAbort(never);
  const seen = recordWatch(kv, { prefix: '/w/' }, 2, stop.signal);
  put('/w/1');
  await advanceUntil(clock, 'the first', () => seen.events.length === 1, 100);
  const goOn = holdUp();
  client.cutOff();
  client.reconnect();
  await clock.advance(100);
  for (const key of ['/w/2', '/w/3']) {
    put(key);
    await clock.advance(100);
  }
  assert.equal(seen.batches.length, 1, 'nothing is passed on');
  goOn();
  await advanceUntil(clock, 'the others', () => seen.events.length === 3, 100);
  put('/w/4');
  await advanceUntil(clock, 'the last', () => seen.events.length === 4, 100);
  assert.deepEqual(
    seen.events.map(({ kv: { key } }) => key),
    ['/w/1', '/w/2', '/w/3', '/w/4'],
  );
  stop.abort();
  await clock.advance(0);
  await seen.ended;
});

test('what a watch tells of a store that turns out to be another is never passed on', async () => {
  const { clock, store, kv, trust, put } = await makeWorld();
  const snapshot = store.snapshot();
  for (let n = 0; n < 5; n += 1) put(`/elsewhere/${n}`);
  const seen = recordWatch(kv, { prefix: '/w/' }, store.revision, never);
  await clock.advance(100);
  await kv.get('/w/1', never);
  store.restore({ ...snapshot, revision: store.revision }, 'foreign');
  put('/w/other');
  await assert.rejects(seen.ended, { code: 'UNAVAILABLE' });
  assert.deepEqual(seen.events, []);
  assert.match(trust.doubt ?? '', /another etcd cluster/);
});

test('after a watch that was compacted past, what is listed anew waits for a look', async () => {
  const { clock, store, kv, holdUp, put } = await makeWorld();
  for (let n = 0; n < 5; n += 1) put(`/w/${n}`);
  store.compact();
  const goOn = holdUp();
  await assert.rejects(
    kv.watch({ prefix: '/w/' }, 2, () => {}, never),
    { code: 'STALE' },
  );
  let isListed = false;
  const listing = kv.list('/w/', never).then(() => {
    isListed = true;
  });
  await clock.advance(1_000);
  assert.equal(isListed, false);
  goOn();
  await advanceUntil(clock, 'the list', () => isListed, 100);
  await listing;
});

test('what a listener throws while it is told what was held ends its watch with that', async () => {
  const { clock, client, kv, holdUp, put } = await makeWorld();
  const goOn = holdUp();
  const failure = new Error('cannot take it');
  const watching = kv.watch(
    { prefix: '/w/' },
    2,
    ({ events }) => {
      if (events.length > 0) throw failure;
    },
    never,
  );
  await clock.advance(0);
  client.cutOff();
  client.reconnect();
  await clock.advance(100);
  put('/w/1');
  await clock.advance(100);
  goOn();
  await Promise.all([assert.rejects(watching, failure), clock.advance(100)]);
});
