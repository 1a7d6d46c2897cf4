import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crashSides, pointText } from './crash-plan.ts';
import { listCrashPoints, runStory } from './crash-story.ts';

/** One side of four writes in five; all of them: npm run sim -- --crash-points. */
const EVERY = 5;

test('an agent that ends before or after any of its writes comes back, and all comes right', async () => {
  const { points, writes } = await listCrashPoints();
  assert.ok(writes > 100, `only ${writes} writes`);
  const chosen = points.filter((_point, at) => at % EVERY === 0);
  assert.deepEqual(new Set(chosen.map(({ side }) => side)), new Set(crashSides));
  for (const point of chosen) {
    const { error, world } = await runStory(point);
    if (error === undefined) continue;
    const why = error instanceof Error ? error.message : String(error);
    const again = `npm run sim -- --point ${pointText(point)}`;
    assert.fail(`${pointText(point)} (again: ${again}): ${why}\nIts end:\n${world.timeline.slice(-60).join('\n')}`);
  }
});
