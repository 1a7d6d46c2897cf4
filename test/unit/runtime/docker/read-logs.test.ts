import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine, EngineCall } from '../../../../src/runtime/docker/engine.ts';
import { readLogs } from '../../../../src/runtime/docker/read-logs.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const { signal } = new AbortController();

function frame(stream: 1 | 2, text: string): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt8(stream, 0);
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

/** A daemon that gives these lines for the container's first run, and nothing for its second; what was asked is noted. */
async function follow(lines: readonly Buffer[]): Promise<EngineCall['query'][]> {
  const asked: EngineCall['query'][] = [];
  const clock = new FakeClock();
  async function* run(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
    yield* chunks;
  }
  const engine: Pick<Engine, 'stream'> = {
    stream: async ({ query }) => {
      asked.push(query);
      return { chunks: run(asked.length === 1 ? lines : []) };
    },
  };
  const locate = async () => (asked.length < 2 ? { id: 'c1', running: true } : undefined);
  const reading = Array.fromAsync(
    readLogs({ engine: engine as Engine, clock, locate }, 'web.0', { follow: true }, signal),
  );
  await clock.advance(0);
  await clock.advance(500);
  await clock.advance(500);
  assert.equal((await reading).flat().length, lines.length);
  return asked;
}

test('readLogs() goes on after the latest line of a run, also when another line came last', async () => {
  const late = frame(1, '2026-01-01T00:00:05.2Z late\n');
  const early = frame(2, '2026-01-01T00:00:05.123456789Z early\n');
  const [, second] = await follow([late, early]);
  assert.equal(second?.['since'], '1767225605.200000001');
});

test('readLogs() goes on after the last line of a run that is in order', async () => {
  const [, second] = await follow([frame(1, '2026-01-01T00:00:05Z one\n'), frame(1, '2026-01-01T00:00:05.5Z two\n')]);
  assert.equal(second?.['since'], '1767225605.500000001');
});
