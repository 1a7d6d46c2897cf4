import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runStorm } from './storm.ts';

/** Seeds of one test: a storm of 40 steps takes about 0.1 s. */
const SEEDS_EACH = 40;

/** One test that runs the storms from a seed on, and tells how to run the first that failed again. */
export function holdStorms(first: number, steps: number): void {
  const last = first + SEEDS_EACH - 1;
  test(`storms ${first} to ${last}, of ${steps} steps, break no promise, and the cluster comes right after each`, async () => {
    for (let seed = first; seed <= last; seed += 1) {
      const { error, timeline } = await runStorm({ seed, steps });
      if (error === undefined) continue;
      const why = error instanceof Error ? error.message : String(error);
      const again = `npm run sim -- --seed ${seed} --steps ${steps}`;
      assert.fail(`storm ${seed} (again: ${again}): ${why}\nIts end:\n${timeline.slice(-60).join('\n')}`);
    }
  });
}
