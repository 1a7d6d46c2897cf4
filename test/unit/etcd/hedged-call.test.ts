import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import type { Calls } from '../../../src/etcd/calls.ts';
import type { Endpoints } from '../../../src/etcd/endpoints.ts';
import { GrpcFailure } from '../../../src/etcd/grpc-failure.ts';
import { HedgedCall } from '../../../src/etcd/hedged-call.ts';
import type { RawClient } from '../../../src/etcd/raw-client.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** How an endpoint behaves: answers so late, is silent, or refuses. */
type Behaviour = number | 'silent' | 'refuses' | 'forbids';

function begin(behaviours: Record<string, Behaviour>, options: { attemptMs?: number } = {}) {
  const clock = new FakeClock({ monotonicMs: 0 });
  const log: string[] = [];
  const urls = Object.keys(behaviours);
  const stop = new AbortController();
  const attemptMs = options.attemptMs ?? 2_000;
  const note = (what: string) => log.push(`${clock.monotonicMs()} ${what}`);
  const endpoints = {
    fromCurrent: () => urls,
    client: (url: string) => ({ endpoint: url }),
    leave: ({ endpoint }: RawClient) => note(`left ${endpoint}`),
    answered: ({ endpoint }: RawClient) => note(`answered ${endpoint}`),
  };
  const attempt = async ({ endpoint }: RawClient, _: unknown, limitMs: number, signal: AbortSignal) => {
    note(`asked ${endpoint}`);
    const behaviour = behaviours[endpoint];
    if (behaviour === 'refuses') throw new GrpcFailure(14, 'refused', { sent: false });
    if (behaviour === 'forbids') throw new GrpcFailure(7, 'permission denied', { sent: true });
    await clock.sleep(behaviour === 'silent' ? limitMs : (behaviour ?? 0), signal);
    signal.throwIfAborted();
    if (behaviour === 'silent') throw new GrpcFailure(4, 'no answer', { sent: true });
    return `answer of ${endpoint}`;
  };
  const parts = {
    endpoints: endpoints as unknown as Endpoints,
    calls: { attempt } as unknown as Calls,
    clock,
    attemptMs,
    callMs: 5_000,
  };
  const plan = {
    action: 'renew',
    service: 'Lease' as const,
    begin: () => assert.fail('the fake attempt begins nothing'),
  };
  const result = new HedgedCall<string>(parts, plan, stop.signal).run();
  result.catch(() => {});
  return { clock, log, result, stop, behaviours };
}

test('HedgedCall asks only the endpoint in use while that answers in time', async () => {
  const { clock, log, result, stop } = begin({ a: 500, b: 0 });
  await clock.advance(3_000);
  assert.equal(await result, 'answer of a');
  assert.deepEqual(log, ['0 asked a', '500 answered a']);
  assert.equal(clock.pendingTimers, 0);
  assert.equal(getEventListeners(stop.signal, 'abort').length, 0);
});

test('HedgedCall asks the next while one is silent, and leaves that only after its own time', async () => {
  const { clock, log, result } = begin({ a: 'silent', b: 100, c: 0 });
  await clock.advance(3_000);
  assert.equal(await result, 'answer of b');
  assert.deepEqual(log, ['0 asked a', '600 asked b', '700 answered b', '2000 left a', '2000 answered b']);
});

test('HedgedCall goes on to the next at once where one refuses', async () => {
  const { clock, log, result } = begin({ a: 'refuses', b: 'refuses', c: 10 });
  await clock.advance(100);
  assert.equal(await result, 'answer of c');
  assert.deepEqual(log, ['0 asked a', '0 left a', '0 asked b', '0 left b', '0 asked c', '10 answered c']);
});

test('HedgedCall never asks one that owes an answer, and asks it again when it owes none', async () => {
  const { clock, log, behaviours, result } = begin({ a: 'silent', b: 'silent', c: 'silent' });
  await clock.advance(1_900);
  behaviours['a'] = 5;
  await clock.advance(1_000);
  assert.equal(await result, 'answer of a');
  const asked = log.filter((line) => line.includes('asked'));
  assert.deepEqual(asked, ['0 asked a', '600 asked b', '1200 asked c', '2000 asked a']);
});

test('HedgedCall is UNAVAILABLE when its time is over', async () => {
  const { clock, log, result } = begin({ a: 'silent', b: 'refuses' });
  await clock.advance(5_500);
  await assert.rejects(result, { code: 'UNAVAILABLE' });
  await clock.advance(5_000);
  assert.equal(clock.pendingTimers, 0);
  const asked = log.filter((line) => line.includes('asked')).length;
  assert.ok(asked < 12, `${asked} attempts`);
});

test('HedgedCall ends with what no other endpoint would change', async () => {
  const { result, log } = begin({ a: 'forbids', b: 0 });
  await assert.rejects(result, { code: 'FORBIDDEN' });
  assert.deepEqual(log, ['0 asked a']);
});

test('HedgedCall ends at once with the reason of the signal, also between attempts', async () => {
  const { clock, result, stop } = begin({ a: 'refuses' });
  await clock.advance(100);
  const reason = new Error('enough');
  stop.abort(reason);
  await assert.rejects(result, reason);
  await clock.advance(0);
  assert.equal(clock.pendingTimers, 0);
});
