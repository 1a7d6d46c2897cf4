import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InTurn } from '../../../../src/runtime/docker/in-turn.ts';
import { SharedPulls } from '../../../../src/runtime/docker/shared-pulls.ts';
import { settle } from '../../../support/fake-clock.ts';

const never = new AbortController().signal;

test('InTurn holds an aborted caller whose work has begun, and lets the next one in only when the work has ended', async () => {
  const turns = new InTurn();
  const work = Promise.withResolvers<void>();
  const abort = new AbortController();
  const first = turns.run('a', () => work.promise, abort.signal);
  await settle();
  const order: string[] = [];
  const second = turns.run('a', async () => void order.push('second'), never);
  await turns.run('b', async () => void order.push('other name'), never);
  abort.abort(new Error('no more'));
  first.then(
    () => order.push('first'),
    () => order.push('first gave up'),
  );
  await settle();
  assert.deepEqual(order, ['other name']);
  work.resolve();
  await second;
  await settle();
  assert.deepEqual(order.toSorted(), ['first', 'other name', 'second']);
});

test('InTurn begins nothing for a caller that went while it waited, and a failure holds up nobody', async () => {
  const turns = new InTurn();
  const work = Promise.withResolvers<void>();
  const first = turns.run('a', () => work.promise, never);
  const abort = new AbortController();
  const begun: string[] = [];
  const second = turns.run('a', async () => void begun.push('second'), abort.signal);
  abort.abort(new Error('no more'));
  await assert.rejects(second);
  work.reject(new Error('broken'));
  await assert.rejects(first, /broken/);
  assert.equal(await turns.run('a', async () => 7, never), 7);
  assert.deepEqual(begun, []);
});

test('SharedPulls pulls once for all, tells late comers where it is, and begins anew after it has ended', async () => {
  const pulls: { tell: (detail: string) => void; done: PromiseWithResolvers<void>; signal: AbortSignal }[] = [];
  const shared = new SharedPulls((_image, tell, signal) => {
    const done = Promise.withResolvers<void>();
    pulls.push({ tell, done, signal });
    return done.promise;
  });
  const told: string[][] = [[], []];
  const one = shared.pull('app', (detail) => told[0]?.push(detail), never);
  pulls[0]?.tell('a');
  const two = shared.pull('app', (detail) => told[1]?.push(detail), never);
  pulls[0]?.tell('b');
  assert.equal(pulls.length, 1);
  pulls[0]?.done.reject(new Error('no such image'));
  await assert.rejects(one, /no such image/);
  await assert.rejects(two, /no such image/);
  assert.deepEqual(told, [
    ['a', 'b'],
    ['a', 'b'],
  ]);
  const again = shared.pull('app', () => {}, never);
  assert.equal(pulls.length, 2);
  pulls[1]?.done.resolve();
  await again;
});

test('SharedPulls goes on while anybody waits, and gives up after the last', async () => {
  let pulling: AbortSignal | undefined;
  const shared = new SharedPulls((_image, _tell, signal) => {
    pulling = signal;
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  });
  const [first, second] = [new AbortController(), new AbortController()];
  const one = shared.pull('app', () => {}, first.signal);
  const two = shared.pull('app', () => {}, second.signal);
  first.abort(new Error('first went'));
  await assert.rejects(one, /first went/);
  assert.equal(pulling?.aborted, false);
  second.abort(new Error('second went'));
  await assert.rejects(two, /second went/);
  assert.equal(pulling?.aborted, true);
});
