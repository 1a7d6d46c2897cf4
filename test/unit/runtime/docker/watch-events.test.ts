import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterId } from '../../../../src/domain/ids.ts';
import { silentLog } from '../../../../src/loop/log.ts';
import type { Engine } from '../../../../src/runtime/docker/engine.ts';
import { watchEvents } from '../../../../src/runtime/docker/watch-events.ts';
import { FakeClock, settle } from '../../../support/fake-clock.ts';

type Chunks = AsyncIterable<Buffer>;

/** An engine whose event streams are the given ones, one after another; then it is away. */
function setUp(streams: (Chunks | 'refused')[]) {
  const clock = new FakeClock();
  const told: string[] = [];
  let attempts = 0;
  const engine: Engine = {
    async stream() {
      attempts += 1;
      const next = streams.shift();
      if (next === undefined) throw new Error('away');
      return next === 'refused' ? { status: 500, body: undefined, message: 'busy' } : { chunks: next };
    },
    call: () => Promise.reject(new Error('not used')),
    hijack: () => Promise.reject(new Error('not used')),
    version: async () => '1',
    isAbsent: () => false,
    close: () => {},
  };
  const end = new AbortController();
  const options = {
    engine,
    clusterId: 'ours' as ClusterId,
    clock,
    log: { ...silentLog, info: (_: unknown, message?: string) => told.push(`log: ${message}`) },
    random: () => 0,
    onOpen: () => told.push('open'),
    onEvent: (id: string) => told.push(`event ${id}`),
    onClose: () => told.push('close'),
  };
  const running = watchEvents(options, end.signal);
  const stop = async () => {
    end.abort();
    await settle();
    await running;
  };
  return { clock, told, attempts: () => attempts, stop };
}

async function* events(...ids: string[]): Chunks {
  for (const id of ids) yield Buffer.from(`${JSON.stringify({ id })}\n`);
}

test('watchEvents() tells of each event, and opens a lost stream again', async () => {
  const { clock, told, stop } = setUp([events('a', 'b'), events('c')]);
  await settle();
  await settle();
  const news = ['log: events followed', 'open', 'event a', 'event b', 'close', 'log: events not followed'];
  assert.deepEqual(told, news);
  await clock.advance(100);
  assert.deepEqual(told.slice(news.length), [
    'log: events followed',
    'open',
    'event c',
    'close',
    'log: events not followed',
  ]);
  await stop();
});

test('watchEvents() backs off to two seconds, and says once that Docker is away', async () => {
  const { clock, told, attempts, stop } = setUp(['refused']);
  await clock.advance(60_000);
  assert.ok(attempts() > 25 && attempts() < 40, `${attempts()} attempts in a minute`);
  assert.deepEqual(told, ['log: events not followed']);
  await stop();
  assert.equal(clock.pendingTimers, 0);
});

test('watchEvents() does not open streams that end at once at full speed', async () => {
  const { clock, attempts, stop } = setUp(Array.from({ length: 1_000 }, () => events()));
  await clock.advance(60_000);
  assert.ok(attempts() > 25 && attempts() < 40, `${attempts()} attempts in a minute`);
  await stop();
});
