import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatherBatches } from '../../../src/api/logs-gather.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';

/** A source that gives what it's told to, and notes how much of it was taken and whether it was left. */
function makeSource() {
  const given: (string | Error | undefined)[] = [];
  let wake = () => {};
  const seen = { taken: 0, isLeft: false };
  async function* read() {
    try {
      for (;;) {
        while (given.length === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        const next = given.shift();
        if (next === undefined) return;
        if (next instanceof Error) throw next;
        seen.taken += 1;
        yield Buffer.from(next);
      }
    } finally {
      seen.isLeft = true;
    }
  }
  const give = async (...batches: readonly (string | Error | undefined)[]) => {
    given.push(...batches);
    wake();
    await settle();
  };
  return { read, give, seen };
}

function open() {
  const clock = new FakeClock();
  const source = makeSource();
  const reading = gatherBatches(source.read(), clock);
  const next = async () => {
    const { value, done } = await reading.next();
    return done === true ? undefined : Buffer.from(value).toString();
  };
  return { clock, source, reading, next };
}

test('what comes alone is given at once', async () => {
  const { clock, source, next } = open();
  for (const each of ['a\n', 'b\n']) {
    const reads = next();
    await source.give(each);
    assert.equal(await reads, each);
    const after = next();
    await clock.advance(10);
    await source.give('later\n');
    assert.equal(await after, 'later\n');
    await clock.advance(10);
  }
});

test('what follows shortly is given together, a moment later', async () => {
  const { clock, source, next } = open();
  const first = next();
  await source.give('a\n');
  assert.equal(await first, 'a\n');
  let isGiven = false;
  const second = next().finally(() => {
    isGiven = true;
  });
  for (const each of ['b\n', 'c\n', 'd\n']) await source.give(each);
  assert.equal(isGiven, false);
  await clock.advance(2);
  assert.equal(await second, 'b\nc\nd\n');
});

test('as much as goes together waits for nothing, and more is taken only when it has gone', async () => {
  const { source, next } = open();
  const first = next();
  await source.give('a\n');
  await first;
  const large = 'x'.repeat(40_000);
  await source.give(large, large, large, large);
  assert.equal(source.seen.taken, 3, 'one more than half of what goes together');
  assert.equal(await next(), large + large);
  assert.equal(await next(), large + large);
});

test('the end and an error come after what was there, without a wait', async () => {
  const ended = open();
  await ended.source.give('a\n', 'b\n', undefined);
  assert.deepEqual([await ended.next(), await ended.next()], ['a\nb\n', undefined]);
  const failed = open();
  const first = failed.next();
  await failed.source.give('a\n');
  assert.equal(await first, 'a\n');
  await failed.source.give('b\n', new Error('broken'));
  assert.equal(await failed.next(), 'b\n');
  await assert.rejects(failed.next(), /broken/);
  assert.equal(failed.clock.pendingTimers, 0);
});

test('leaving it leaves the source, and no timer', async () => {
  const { clock, source, reading, next } = open();
  const large = 'x'.repeat(100_000);
  const first = next();
  await source.give(large, large, large);
  assert.equal(await first, large);
  await reading.return(undefined);
  assert.equal(source.seen.isLeft, true);
  assert.equal(clock.pendingTimers, 0);
});
