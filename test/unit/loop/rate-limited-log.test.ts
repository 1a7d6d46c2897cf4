import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Log } from '../../../src/loop/log.ts';
import { RateLimitedLog } from '../../../src/loop/rate-limited-log.ts';
import { FakeClock } from '../../support/fake-clock.ts';

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly atMs: number;
}

const rate = { burst: 3, intervalMs: 10_000, messageBurst: 20, messageIntervalMs: 1_000 };

function open() {
  const clock = new FakeClock();
  const lines: Line[] = [];
  const method = (level: string) => (fields: unknown, message?: string) => {
    const own = typeof fields === 'string' ? { message: fields, fields: {} } : { message: message ?? '', fields };
    lines.push({ level, atMs: clock.monotonicMs(), ...own } as Line);
  };
  const inner: Log = { debug: method('debug'), info: method('info'), warn: method('warn'), error: method('error') };
  return { clock, lines, log: new RateLimitedLog(inner, clock, rate) };
}

test('a line that comes now and then passes as it is', async () => {
  const { clock, lines, log } = open();
  for (let index = 0; index < 50; index += 1) {
    log.warn({ index }, 'now and then');
    await clock.advance(10_000);
  }
  log.info('without fields');
  assert.equal(lines.length, 51);
  assert.deepEqual(lines[49]?.fields, { index: 49 });
  assert.deepEqual([lines[50]?.level, lines[50]?.message], ['info', 'without fields']);
});

for (const level of ['debug', 'info', 'warn', 'error'] as const) {
  test(`a flood at level ${level} is a burst, then one line an interval that counts the others`, async () => {
    const { clock, lines, log } = open();
    for (let index = 0; index < 1_000; index += 1) {
      log[level]({ index }, 'flood');
      await clock.advance(100);
    }
    assert.ok(lines.length >= 12 && lines.length <= 13, `${lines.length} lines in 100 s`);
    assert.deepEqual(
      lines.slice(0, 3).map(({ fields }) => fields['index']),
      [0, 1, 2],
    );
    await clock.advance(60_000);
    const said = lines.reduce((sum, { fields }) => sum + 1 + Number(fields['leftOut'] ?? 0), 0);
    assert.equal(said, 1_000, 'each is either said or counted');
    assert.equal(lines.at(-1)?.fields['index'], 999, 'the latest is said, also when nothing follows');
  });
}

test('each thing that a message is about has its own allowance, and each level and message', async () => {
  const { lines, log } = open();
  for (let round = 0; round < 10; round += 1) {
    log.warn({ instance: 'web/0' }, 'action failed');
    log.warn({ instance: 'web/1' }, 'action failed');
    log.error({ instance: 'web/0' }, 'action failed');
    log.warn({ instance: 'web/0' }, 'other');
  }
  assert.equal(lines.length, 4 * rate.burst);
});

test('many things together do not make up for each other', async () => {
  const { clock, lines, log } = open();
  for (let round = 0; round < 5; round += 1) {
    for (let index = 0; index < 10_000; index += 1) log.warn({ key: `/garbage/${index}` }, 'not readable');
  }
  assert.equal(lines.length, rate.messageBurst);
  await clock.advance(5_000);
  assert.ok(lines.length <= rate.messageBurst + 5);
});

test('a burst that has passed is forgiven', async () => {
  const { clock, lines, log } = open();
  for (let index = 0; index < 3; index += 1) log.warn({}, 'burst');
  await clock.advance(30_000);
  for (let index = 0; index < 3; index += 1) log.warn({}, 'burst');
  assert.equal(lines.length, 6);
});
