import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { StoreTrust } from '../../../src/cluster/store-trust.ts';
import { TrustedKv } from '../../../src/cluster/trusted-kv.ts';
import { ChildAbort } from '../../../src/loop/child-abort.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { advanceUntil } from '../../support/advance-until.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeStateFiles } from '../../support/fake-state-files.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { recordWatch } from '../../support/record-watch.ts';

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
