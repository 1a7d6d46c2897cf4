import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wholeLines } from '../../../src/api/logs-split.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';

const { signal } = new AbortController();

function open(chunks: readonly string[], isEnd = true) {
  const clock = new FakeClock();
  let isLeft = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => {
      for (const chunk of chunks) controller.enqueue(Buffer.from(chunk));
      if (isEnd) controller.close();
    },
    cancel: () => {
      isLeft = true;
    },
  });
  const batches = wholeLines(body, { clock, silenceMs: 20_000, who: 'node2' }, signal);
  return { clock, batches, isLeft: () => isLeft };
}

async function read(...chunks: readonly string[]): Promise<string[]> {
  return (await Array.fromAsync(open(chunks).batches)).map((batch) => Buffer.from(batch).toString());
}

test('whole lines come as they are, those of a chunk together', async () => {
  assert.deepEqual(await read('a\nb\n', 'c\n'), ['a\nb\n', 'c\n']);
  assert.deepEqual(await read('a\nb', 'c', 'd\ne\nf', '\n'), ['a\n', 'bcd\ne\n', 'f\n']);
  assert.deepEqual(await read('ü'.repeat(3), '\n'), ['üüü\n']);
});

test('signs of life and a half line at the end are dropped', async () => {
  assert.deepEqual(await read('\n', 'a\n', '\n', 'b'), ['a\n']);
});

test('a line without an end is refused', async () => {
  const part = 'x'.repeat(300_000);
  await assert.rejects(read(part, part, part, part), { code: 'LIMIT', message: /from node2/ });
});

test('a node that has sent nothing for long is left', async () => {
  const { clock, batches, isLeft } = open(['a\n'], false);
  await batches.next();
  const waiting = assert.rejects(batches.next(), { code: 'UNAVAILABLE', message: /node2: it has been silent/ });
  await clock.advance(19_999);
  assert.equal(isLeft(), false);
  await clock.advance(1);
  await waiting;
  await settle();
  assert.equal(isLeft(), true);
  assert.equal(clock.pendingTimers, 0);
});
