import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReadAhead, type ReadAheadItem } from '../../../src/api/logs-read-ahead.ts';
import type { LogLine, LogLines } from '../../../src/runtime/port.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';

const limits = { lines: 100, bytes: 10_000, lagMs: 5_000 };
const { signal } = new AbortController();

/** A source that gives lines when it's told to, and counts what was taken of it. */
function makeSource(clock: FakeClock) {
  const batches: (readonly LogLine[])[] = [];
  let wake = () => {};
  let taken = 0;
  let isOpen = false;
  let made = 0;
  async function* read(during: AbortSignal): AsyncGenerator<readonly LogLine[]> {
    isOpen = true;
    during.addEventListener('abort', () => wake());
    try {
      for (;;) {
        during.throwIfAborted();
        const batch = batches.shift();
        if (batch === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        } else {
          taken += batch.length;
          yield batch;
        }
      }
    } finally {
      isOpen = false;
    }
  }
  return {
    read,
    taken: () => taken,
    isOpen: () => isOpen,
    /** Numbered lines of this age. */
    give: async (count: number, ageMs = 0) => {
      const at = new Date(clock.wallTime().getTime() - ageMs).toISOString();
      const lines = Array.from({ length: count }, () => ({ at, stream: 'stdout' as const, text: String(made++) }));
      batches.push(lines);
      wake();
      await settle();
    },
  };
}

async function next(reading: AsyncIterator<ReadAheadItem>): Promise<ReadAheadItem> {
  const step = await reading.next();
  assert.ok(step.done !== true);
  return step.value;
}

/** As they are held: their numbers. */
const encode = (lines: LogLines) => Buffer.from([...lines].map(({ text }) => `${text}\n`).join(''));

function numbers(item: ReadAheadItem): number[] {
  return 'batch' in item ? Buffer.from(item.batch).toString().trimEnd().split('\n').map(Number) : [];
}

test('ReadAhead gives lines as they come to a reader that keeps up', async () => {
  const clock = new FakeClock();
  const source = makeSource(clock);
  const reading = new ReadAhead({ open: source.read, encode }, clock, limits).read(signal);
  for (let round = 0; round < 50; round += 1) {
    const reads = next(reading);
    await source.give(10);
    assert.equal(numbers(await reads)[0], round * 10);
  }
  await reading.return(undefined);
  assert.equal(source.isOpen(), false);
});

test('ReadAhead loses nothing of what was written before, however slowly it is read', async () => {
  const clock = new FakeClock();
  const source = makeSource(clock);
  const ahead = new ReadAhead({ open: source.read, encode }, clock, limits);
  const reading = ahead.read(signal);
  const first = next(reading);
  for (let round = 0; round < 20; round += 1) await source.give(50, 3_600_000);
  const got = numbers(await first);
  await clock.advance(60_000);
  assert.ok(source.taken() <= 250, `${source.taken()} lines were taken for a reader that stands still`);
  while (got.length < 1_000) got.push(...numbers(await next(reading)));
  assert.deepEqual(
    got,
    Array.from({ length: 1_000 }, (_, index) => index),
  );
  await reading.return(undefined);
});

test('ReadAhead waits for a reader that was up to date, then leaves out the oldest lines and says how many', async () => {
  const clock = new FakeClock();
  const source = makeSource(clock);
  const ahead = new ReadAhead({ open: source.read, encode }, clock, limits);
  const reading = ahead.read(signal);
  const first = next(reading);
  await source.give(10);
  await first;
  for (let round = 0; round < 20; round += 1) await source.give(50);
  assert.ok(source.taken() < 300, 'it waits while the reader is not far behind');
  await clock.advance(limits.lagMs);
  assert.equal(source.taken(), 1_010, 'then it reads on');
  assert.ok(ahead.heldLines <= limits.lines + 50, `${ahead.heldLines} lines are held`);
  const item = await next(reading);
  assert.ok('lost' in item);
  const rest = numbers(await next(reading));
  assert.equal(item.lost + rest.length, 1_000);
  assert.equal(rest.at(-1), 1_009);
  await reading.return(undefined);
});

test('ReadAhead counts bytes too', async () => {
  const clock = new FakeClock();
  const source = makeSource(clock);
  const ahead = new ReadAhead({ open: source.read, encode }, clock, { ...limits, bytes: 20 });
  const reading = ahead.read(signal);
  const first = next(reading);
  await source.give(5);
  await first;
  for (let round = 0; round < 5; round += 1) await source.give(6);
  await clock.advance(limits.lagMs);
  assert.ok(ahead.heldLines <= 12, `${ahead.heldLines} lines are held`);
  await reading.return(undefined);
});

test('ReadAhead tells the end and the failure of its source after its lines, and ends with its signal', async () => {
  const clock = new FakeClock();
  async function* failing(): AsyncGenerator<readonly LogLine[]> {
    yield [{ at: '2026-01-01T00:00:00Z', stream: 'stdout', text: '1' }];
    throw new Error('broken');
  }
  const reading = new ReadAhead({ open: failing, encode }, clock, limits).read(signal);
  assert.deepEqual(numbers(await next(reading)), [1]);
  await assert.rejects(reading.next(), /broken/);
  const stop = new AbortController();
  const source = makeSource(clock);
  const waiting = new ReadAhead({ open: source.read, encode }, clock, limits).read(stop.signal).next();
  await settle();
  const reason = new Error('enough');
  stop.abort(reason);
  await assert.rejects(waiting, (error) => error === reason);
  assert.equal(source.isOpen(), false);
  assert.equal(clock.pendingTimers, 0);
});
