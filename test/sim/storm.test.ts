import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runStorm } from './storm.ts';

/** Seeds of one test: each takes about 0.1 s. */
const SEEDS_EACH = 40;
const TESTS = 6;

for (let at = 0; at < TESTS; at += 1) {
  const [first, last] = [at * SEEDS_EACH + 1, (at + 1) * SEEDS_EACH];
  test(`storms ${first} to ${last} break no promise, and the cluster comes right after each`, async () => {
    for (let seed = first; seed <= last; seed += 1) {
      const { error, timeline } = await runStorm({ seed, steps: 40 });
      if (error === undefined) continue;
      const why = error instanceof Error ? error.message : String(error);
      const again = `node test/sim/run.ts --seed ${seed}`;
      assert.fail(`storm ${seed} (again: ${again}): ${why}\nIts end:\n${timeline.slice(-60).join('\n')}`);
    }
  });
}

test('the same seed gives the same storm', async () => {
  const [one, other] = [await runStorm({ seed: 7, steps: 60 }), await runStorm({ seed: 7, steps: 60 })];
  assert.ok(one.timeline.length > 100);
  assert.deepEqual(one.timeline, other.timeline);
});
