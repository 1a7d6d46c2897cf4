import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holdStorms } from './hold-storms.ts';
import { runStorm } from './storm.ts';

for (const first of [1, 41, 81, 121, 161, 201]) holdStorms(first, 40);

test('the same seed gives the same storm', async () => {
  const [one, other] = [await runStorm({ seed: 7, steps: 60 }), await runStorm({ seed: 7, steps: 60 })];
  assert.ok(one.timeline.length > 100);
  assert.deepEqual(one.timeline, other.timeline);
});
