import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ActionFailure, InFlight } from '../../../src/loop/in-flight.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function make(parallelism: number) {
  const clock = new FakeClock();
  const ends: [string, ActionFailure | undefined][] = [];
  const inFlight = new InFlight({
    clock,
    parallelism,
    slowAfterMs: 3_000,
    onEnd: (key, failure) => ends.push([key, failure]),
  });
  const begun: string[] = [];
  const hanging = (key: string) => (signal: AbortSignal) => {
    begun.push(key);
    return new Promise<void>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  };
  const quick = (key: string) => () => {
    begun.push(key);
    return Promise.resolve();
  };
  return { clock, ends, inFlight, begun, hanging, quick };
}

test('InFlight begins no more than it has places for', () => {
  const { inFlight, begun, hanging } = make(2);
  for (const key of ['a', 'b', 'c']) inFlight.begin(key, hanging(key));
  assert.deepEqual(begun, ['a', 'b']);
  assert.ok(inFlight.has('c'));
});

test('InFlight lets the next one begin when one ends', async () => {
  const { clock, inFlight, begun, quick } = make(1);
  for (const key of ['a', 'b', 'c']) inFlight.begin(key, quick(key));
  await clock.advance(0);
  assert.deepEqual(begun, ['a', 'b', 'c']);
  assert.equal(inFlight.size, 0);
});

test('InFlight gives the place of one that hangs to the next, so that it holds up no other', async () => {
  const { clock, inFlight, begun, hanging, quick } = make(1);
  inFlight.begin('hangs', hanging('hangs'));
  inFlight.begin('waits', quick('waits'));
  await clock.advance(2_999);
  assert.deepEqual(begun, ['hangs']);
  await clock.advance(1);
  assert.deepEqual(begun, ['hangs', 'waits']);
  assert.ok(inFlight.has('hangs'));
});

test('InFlight does not begin a second action of a busy key', () => {
  const { inFlight, begun, hanging } = make(4);
  inFlight.begin('a', hanging('first'));
  inFlight.begin('a', hanging('second'));
  assert.deepEqual(begun, ['first']);
});

test('InFlight tells a failure from an abort', async () => {
  const { clock, inFlight, ends, hanging } = make(4);
  inFlight.begin('fails', () => Promise.reject(new Error('no such image')));
  inFlight.begin('aborted', hanging('aborted'));
  inFlight.abort('aborted', new Error('the order has changed'));
  await clock.advance(0);
  const told = Object.fromEntries(ends.map(([key, failure]) => [key, failure?.wasAborted]));
  assert.deepEqual(told, { fails: false, aborted: true });
});

test('InFlight begins at once what may not wait for its place', () => {
  const { inFlight, begun, hanging } = make(2);
  for (const key of ['a', 'b', 'c']) inFlight.begin(key, hanging(key));
  inFlight.beginAtOnce('d', hanging('d'));
  inFlight.beginAtOnce('a', hanging('again'));
  assert.deepEqual(begun, ['a', 'b', 'd']);
  assert.ok(inFlight.has('d'));
});
