import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedReads } from '../../../src/cluster/shared-reads.ts';
import { settle } from '../../support/fake-clock.ts';

/** Reads that end when the test says so; each gives its number. */
function make() {
  const reads = new SharedReads<number>();
  const begun: { readonly signal: AbortSignal; readonly end: (error?: Error) => Promise<void> }[] = [];
  const open = (signal: AbortSignal) => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const number = begun.length + 1;
    const onAbort = () => reject(new Error('stopped'));
    signal.addEventListener('abort', onAbort);
    begun.push({
      signal,
      end: async (error) => {
        if (error === undefined) resolve(number);
        else reject(error);
        await settle();
      },
    });
    return promise;
  };
  const ask = (key = 'all', signal = new AbortController().signal) => reads.read(key, open, signal);
  return { ask, begun };
}

test('who asks while a read is under way gets the next one, and shares it with all who ask by then', async () => {
  const { ask, begun } = make();
  const first = ask();
  const others = [ask(), ask(), ask()];
  assert.equal(begun.length, 1);
  await begun[0]?.end();
  assert.equal(await first, 1);
  assert.equal(begun.length, 2);
  const late = ask();
  await begun[1]?.end();
  assert.deepEqual(await Promise.all(others), [2, 2, 2]);
  await begun[2]?.end();
  assert.equal(await late, 3, 'the second had begun before it was asked for');
  assert.equal(begun.length, 3);
  const alone = ask();
  await begun[3]?.end();
  assert.equal(await alone, 4, 'a read begins at once where none is under way');
});

test('what is different is read side by side', async () => {
  const { ask, begun } = make();
  const both = [ask('nodes'), ask('workloads')];
  assert.equal(begun.length, 2);
  for (const each of begun) await each.end();
  assert.deepEqual(await Promise.all(both), [1, 2]);
});

test('a failure is told to those who shared it, and not to the next', async () => {
  const { ask, begun } = make();
  const first = ask();
  const second = ask();
  await Promise.all([assert.rejects(first, /away/), begun[0]?.end(new Error('away'))]);
  await begun[1]?.end();
  assert.equal(await second, 2);
});

test('who goes is told so at once; a read ends when the last has gone, and none begins for nobody', async () => {
  const { ask, begun } = make();
  const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()];
  const running = ask('all', one.signal);
  const next = [ask('all', two.signal), ask('all', three.signal)];
  two.abort(new Error('two has gone'));
  await assert.rejects(next[0] as Promise<number>, /two has gone/);
  assert.equal(begun[0]?.signal.aborted, false);
  one.abort(new Error('one has gone'));
  await assert.rejects(running, /one has gone/);
  assert.equal(begun[0]?.signal.aborted, true);
  await settle();
  assert.equal(begun.length, 2, 'the next is still wanted');
  const last = ask('all', two.signal);
  await assert.rejects(last, /two has gone/);
  const unwanted = new AbortController();
  const never = ask('all', unwanted.signal);
  unwanted.abort(new Error('none of it'));
  await assert.rejects(never, /none of it/);
  await begun[1]?.end();
  assert.equal(await next[1], 2);
  assert.equal(begun.length, 2);
});
