import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { runStorm } from './storm.ts';

const seed = 7;
const minutes = 3;

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

suite('a storm', () => {
  test(`three minutes of faults (seed ${seed}) break no promise, and after each round all is as desired`, async () => {
    const stop = new AbortController();
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => stop.abort());
    const timeline = join(tmpdir(), `muster-chaos-${seed}.jsonl`);
    const summary = await runStorm({ seed, minutes, nodes: 3, ttlMs: 10_000, timeline, say, signal: stop.signal });
    say(JSON.stringify(summary));
    assert.deepEqual(summary.violations, []);
    assert.ok(summary.rounds > 0 && summary.runs > 60, JSON.stringify(summary));
  });
});
