import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeKnownStores } from '../../../src/cluster/store-line.ts';
import { StoreTrust } from '../../../src/cluster/store-trust.ts';
import type { StoreLine } from '../../../src/domain/node.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { FakeStateFiles } from '../../support/fake-state-files.ts';

const root = '/muster/demo/';
const never = new AbortController().signal;
const at = (revision: number): StoreLine => ({ clusterId: 'c', raftTerm: 2, revision });

/** Of a store that says where it is when it's told to. */
function makeTrust() {
  const asked: PromiseWithResolvers<StoreLine>[] = [];
  const identity = (): Promise<StoreLine> => {
    asked.push(Promise.withResolvers<StoreLine>());
    return asked.at(-1)!.promise;
  };
  const files = new FakeStateFiles();
  const reading: { settings: () => Promise<{ epoch: number; confirmedStore?: StoreLine } | undefined> } = {
    settings: async () => undefined,
  };
  const trust = new StoreTrust({
    ...{ kv: { identity }, files, root, clock: new FakeClock() },
    ...{ log: silentLog, random: () => 0.5, readSettings: () => reading.settings(), onChange: () => {} },
  });
  const judge = async (line: StoreLine, epoch = 1, confirmedStore?: StoreLine): Promise<boolean> => {
    const judged = trust.judge({ epoch, ...(confirmedStore && { confirmedStore }) }, never);
    asked.at(-1)?.resolve(line);
    return judged;
  };
  return { trust, asked, judge, files, reading };
}

test('what was asked of a store before it was set back is no answer of the one that is confirmed in its place', async () => {
  const { trust, judge } = makeTrust();
  await judge(at(100));
  const late = Promise.withResolvers<StoreLine>();
  const reading = trust.checked(() => late.promise);
  assert.ok(await judge(at(12), 2, at(10)));
  late.resolve(at(101));
  await assert.rejects(reading, { code: 'UNAVAILABLE', message: /got it from the one before/ });
  assert.equal(trust.revision, 12);
  assert.deepEqual(await trust.checked(async () => at(13)), at(13));
});

test('nor is an answer to where it is, and the epoch that was reached stays', async () => {
  const { trust, asked, judge } = makeTrust();
  await judge(at(100));
  const judging = trust.judge({ epoch: 1 }, never);
  const late = asked.at(-1);
  assert.ok(await judge(at(12), 2, at(10)));
  late?.resolve(at(101));
  await assert.rejects(judging, { code: 'UNAVAILABLE' });
  assert.equal(trust.epoch, 2);
  assert.deepEqual(trust.known?.line, at(12));
});

test('what is asked of a store in doubt that is set back once more says nothing of it either', async () => {
  const { trust, judge } = makeTrust();
  await judge(at(100));
  assert.equal(await judge(at(50)), false);
  const late = Promise.withResolvers<StoreLine>();
  const reading = trust.checked(() => late.promise);
  assert.equal(await judge(at(20)), false);
  late.resolve(at(51));
  await assert.rejects(reading, { code: 'UNAVAILABLE' });
  assert.equal(trust.revision, 20);
});

test('a store that has told of more than it is found at was set back meanwhile: known from before or not, it is in doubt', async () => {
  for (const isKnown of [true, false]) {
    const { trust, judge, files } = makeTrust();
    if (isKnown) files.texts.set('store-line', encodeKnownStores(new Map([[root, { line: at(15), epoch: 1 }]])));
    await trust.load();
    trust.noteHint(at(45));
    assert.equal(await judge(at(21)), false);
    assert.match(trust.doubt ?? '', /was at revision 45/);
    assert.ok(await judge(at(22), 2, at(21)));
  }
});

test('what an earlier attempt to join was told makes no doubt of what is found now', async () => {
  const { trust, judge } = makeTrust();
  await trust.load();
  trust.beginListening();
  trust.noteHint(at(1_000));
  trust.beginListening();
  trust.noteHint(at(905));
  assert.ok(await judge(at(905), 2, at(900)));
});

test('settings that were read before the store was confirmed are not what it is judged by after', async () => {
  const { trust, asked, judge, reading } = makeTrust();
  await judge(at(100));
  const late = Promise.withResolvers<{ epoch: number }>();
  reading.settings = () => late.promise;
  const looking = trust.lookAgain(never);
  assert.ok(await judge(at(12), 2, at(10)));
  late.resolve({ epoch: 1 });
  setImmediate(() => asked.at(-1)?.resolve(at(12)));
  await assert.rejects(looking, { code: 'UNAVAILABLE' });
  assert.ok(trust.isUsable);
});

test('a store that has told of less than was known was set back, also where it has come further by the time it is looked at', async () => {
  const { trust, judge } = makeTrust();
  await judge(at(100));
  await assert.rejects(
    trust.checked(async () => at(99)),
    { code: 'UNAVAILABLE' },
  );
  assert.equal(await judge(at(130)), false);
  assert.match(trust.doubt ?? '', /was at revision 100.* at revision 99,/);
  assert.equal(await judge(at(140)), false);
  assert.ok(await judge(at(150), 2, at(145)));
  assert.ok(await judge(at(151), 2, at(145)));
});

test('an answer on its way while the store goes on is one', async () => {
  const { trust, judge } = makeTrust();
  await judge(at(100));
  const late = Promise.withResolvers<StoreLine>();
  const reading = trust.checked(() => late.promise);
  await judge(at(105));
  late.resolve(at(101));
  assert.deepEqual(await reading, at(101));
});

test('an answer of another cluster, or from before the last election, is none, however far that store has come', async () => {
  for (const other of [
    { ...at(200), clusterId: 'd' },
    { ...at(50), clusterId: 'd' },
    { ...at(200), raftTerm: 1 },
  ]) {
    const { trust, judge } = makeTrust();
    await judge(at(100));
    await assert.rejects(
      trust.checked(async () => other),
      { code: 'UNAVAILABLE', message: /go on from revision 100, term 2 of cluster c, got revision/ },
    );
    assert.equal(trust.revision, 100);
    assert.equal(trust.isClear, false);
    assert.ok(await judge(at(101)), 'it was a member of another cluster among the endpoints');
    assert.ok(trust.isClear);
  }
});

test('what speaks against a store while it is looked at is not cleared up by that look', async () => {
  const { trust, asked, judge } = makeTrust();
  await judge(at(100));
  trust.suspect();
  const looking = trust.lookAgain(never);
  await settle();
  trust.suspect();
  asked.at(-1)?.resolve(at(101));
  await looking;
  assert.ok(trust.isUsable);
  assert.equal(trust.isClear, false);
});

test('a member that lags behind, or an election, has the store looked at and holds nobody up', async () => {
  for (const hint of [at(99), { ...at(120), raftTerm: 3 }]) {
    const { trust, asked, judge } = makeTrust();
    await judge(at(100));
    const stop = new AbortController();
    const running = trust.run(stop.signal);
    trust.noteHint(hint);
    assert.ok(trust.isClear);
    await settle();
    assert.equal(asked.length, 2, 'it is looked at');
    asked.at(-1)?.resolve({ ...at(120), raftTerm: 3 });
    await settle();
    assert.equal(trust.known?.line.raftTerm, 3);
    stop.abort();
    await running;
  }
});

test('of two looks at once, the one that ends later does not undo what the other has found', async () => {
  const { trust, asked, judge } = makeTrust();
  await judge(at(100));
  await assert.rejects(
    trust.checked(async () => at(99)),
    { code: 'UNAVAILABLE' },
  );
  const looks = [trust.lookAgain(never), trust.lookAgain(never)];
  await settle();
  for (let n = 0; n < asked.length; n += 1) {
    asked[n]?.resolve(at(130));
    await settle();
  }
  await Promise.all(looks);
  assert.match(trust.doubt ?? '', /was at revision 100.* at revision 99,/);
});
