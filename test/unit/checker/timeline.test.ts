import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { planRound } from '../../chaos/fault-plan.ts';
import { mixedWork } from '../../chaos/mixed-work.ts';
import { readTimeline, Timeline } from '../../chaos/timeline.ts';

test('what a storm has planned can be read from its timeline, with its settings', () => {
  const folder = mkdtempSync(join(tmpdir(), 'muster-timeline-'));
  try {
    const settings = { seed: 7, minutes: 3, nodes: 3, ttlMs: 10_000 };
    const file = join(folder, 'a.jsonl');
    const timeline = new Timeline(file, settings);
    const faults = planRound({ ...settings, round: 0, lengthMs: 75_000 });
    for (const fault of faults) timeline.add({ type: 'plan', ...fault });
    timeline.add({ type: 'healed', round: 0, text: '' });
    const read = readTimeline(file);
    assert.deepEqual(
      read.faults.map(({ kind, atMs }) => [kind, atMs]),
      faults.map(({ kind, atMs }) => [kind, atMs]),
    );
    assert.equal(read.settings.seed, 7);
    writeFileSync(file, '{"type":"healed"}\n');
    assert.throws(() => readTimeline(file), /expected a line with the storm's settings/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the mixed work has 60 instances on any number of nodes, and its editions differ', () => {
  for (const nodes of [3, 4, 5]) {
    const work = mixedWork(nodes);
    assert.equal(
      work.reduce((sum, { copies }) => sum + copies(nodes), 0),
      60,
    );
    for (const { text } of work) assert.notEqual(text(0), text(1));
  }
});
