import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runStorm } from './storm.ts';

/** Seeds of one test: a storm of 40 steps takes about 0.1 s. */
const SEEDS_EACH = 40;

for (const [first, steps] of [
  [1, 40],
  [41, 40],
  [81, 40],
  [121, 40],
  [161, 40],
  [10_001, 120],
] as const) {
  const last = first + SEEDS_EACH - 1;
  test(`storms ${first} to ${last}, of ${steps} steps, break no promise, and the cluster comes right after each`, async () => {
    for (let seed = first; seed <= last; seed += 1) {
      const { error, timeline } = await runStorm({ seed, steps });
      if (error === undefined) continue;
      const why = error instanceof Error ? error.message : String(error);
      const again = `node test/sim/run.ts --seed ${seed} --steps ${steps}`;
      assert.fail(`storm ${seed} (again: ${again}): ${why}\nIts end:\n${timeline.slice(-60).join('\n')}`);
    }
  });
}

test('the same seed gives the same storm', async () => {
  const [one, other] = [await runStorm({ seed: 7, steps: 60 }), await runStorm({ seed: 7, steps: 60 })];
  assert.ok(one.timeline.length > 100);
  assert.deepEqual(one.timeline, other.timeline);
});
