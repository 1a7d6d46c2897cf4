import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyBudget } from '../../../src/api/body-budget.ts';
import { Refusal } from '../../../src/api/refusal.ts';
import { Turns } from '../../../src/api/turns.ts';

const isRefused = (error: unknown) =>
  error instanceof Refusal && error.status === 429 && error.headers['retry-after'] === '1';
const settle = () =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** Works that end when they are told to. */
function makeWorks() {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const work = (name: string) => async () => {
    begun.push(name);
    await new Promise<void>((resolve) => {
      ends.set(name, resolve);
    });
    return name;
  };
  return { begun, work, end: (name: string) => ends.get(name)?.() };
}

test('turns are taken a few at a time in the order of coming, and whoever is too many is told to come again', async (t) => {
  const turns = new Turns({ most: 4, atOnce: 2, what: 'things' });
  const { begun, work, end } = makeWorks();
  const all = ['a', 'b', 'c', 'd'].map(async (name) => turns.take(work(name), t.signal));
  await assert.rejects(turns.take(work('e'), t.signal), isRefused);
  await settle();
  assert.deepEqual(begun, ['a', 'b']);
  end('b');
  assert.equal(await all[1], 'b');
  await settle();
  assert.deepEqual(begun, ['a', 'b', 'c']);
  const late = turns.take(work('f'), t.signal);
  for (const name of ['a', 'c', 'd', 'f']) {
    await settle();
    end(name);
    await settle();
  }
  assert.deepEqual(await Promise.all([...all, late]), ['a', 'b', 'c', 'd', 'f']);
});

test('who goes while waiting gives their place away, and a failure hands the turn on', async (t) => {
  const turns = new Turns({ most: 2, atOnce: 1, what: 'things' });
  const { begun, work, end } = makeWorks();
  const first = turns.take(work('a'), t.signal);
  const gone = new AbortController();
  const waiting = turns.take(work('b'), gone.signal);
  gone.abort(new Error('gone'));
  await assert.rejects(waiting, /gone/);
  const failing = turns.take(async () => Promise.reject(new Error('broken')), t.signal);
  end('a');
  await first;
  await assert.rejects(failing, /broken/);
  const last = turns.take(work('c'), t.signal);
  await settle();
  end('c');
  assert.equal(await last, 'c');
  assert.deepEqual(begun, ['a', 'c']);
  await assert.rejects(turns.take(work('d'), gone.signal), /gone/);
});

test('bodies have so much room together, each client a part of it, and give it back once', () => {
  const budget = new BodyBudget({ allBytes: 100, clientBytes: 40 });
  const [anna, again, bob, carl] = ['anna', 'anna', 'bob', 'carl'].map((name) => budget.open(name));
  assert.ok(anna !== undefined && again !== undefined && bob !== undefined && carl !== undefined);
  assert.equal(anna.take(30), true);
  assert.equal(again.take(11), false, "more than a client's part");
  assert.equal(again.take(10), true);
  assert.equal(bob.take(40), true);
  assert.equal(carl.take(21), false, 'more than there is');
  assert.equal(carl.take(20), true);
  assert.equal(budget.bytes, 100);
  anna.free();
  anna.free();
  assert.equal(budget.bytes, 70);
  for (const room of [again, bob, carl]) room.free();
  assert.equal(budget.bytes, 0);
});
