import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Departure } from '../../../src/agent/compose-agent.ts';
import { type DepartureOptions, runUntilStopped } from '../../../src/agent/departure.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
const forEver = () => new Promise<void>(() => {});

/** An agent that is told to stop; what it was asked, and how long it took to end. */
async function stopAgent(
  over: Partial<DepartureOptions['agent']>,
  howToEnd: (clock: FakeClock) => Promise<Departure>,
  limitMs: number,
) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const agent: DepartureOptions['agent'] = {
    run: untilAborted,
    depart: () => Promise.resolve(),
    ...over,
    withdraw: async () => {
      asked.push('withdraw');
    },
  };
  const stop = new AbortController();
  const options = { agent, clock, log: silentLog, shutdownGraceMs: 30_000, howToEnd: () => howToEnd(clock) };
  let endedAtMs: number | undefined;
  const running = runUntilStopped(options, stop.signal).then(() => {
    endedAtMs = clock.monotonicMs();
  });
  await clock.advance(0);
  const beganAtMs = clock.monotonicMs();
  stop.abort();
  await clock.advanceUntil(() => endedAtMs !== undefined, limitMs);
  await running;
  return { asked, tookMs: (endedAtMs ?? 0) - beganAtMs, pendingTimers: clock.pendingTimers };
}

const alone = () => Promise.resolve<Departure>('agent-stops');
const withMachine = () => Promise.resolve<Departure>('machine-stops');

test('an agent that stops alone is gone at once, and leaves its presence', async () => {
  assert.deepEqual(await stopAgent({}, alone, 0), { asked: [], tookMs: 0, pendingTimers: 0 });
});

test('an agent that stops alone is gone within 5 s though nothing answers', async () => {
  const slowBus = async (clock: FakeClock): Promise<Departure> => {
    await clock.sleep(1_500, new AbortController().signal);
    return 'agent-stops';
  };
  const { tookMs } = await stopAgent({ run: forEver, depart: forEver }, slowBus, 10_000);
  assert.ok(tookMs > 2_500 && tookMs < 5_000, `${tookMs} ms`);
});

test('a machine that stops takes its presence away once all has ended', async () => {
  assert.deepEqual((await stopAgent({}, withMachine, 0)).asked, ['withdraw']);
});

test('a machine that stops leaves its presence to its lease while something may still run', async () => {
  const failing = () => Promise.reject(new Error('the store is away'));
  assert.deepEqual((await stopAgent({ depart: failing }, withMachine, 0)).asked, []);
  const hanging = await stopAgent({ depart: (_how, _limitMs, signal) => untilAborted(signal) }, withMachine, 40_000);
  assert.deepEqual(hanging.asked, []);
  assert.equal(hanging.tookMs, 30_000);
});
