import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeMemoryRelease } from '../../../src/host/release-memory.ts';

test('memory that is no longer used goes back to the machine', async () => {
  const release = await makeMemoryRelease();
  release();
  let filled: number[][] | undefined = Array.from({ length: 300 }, () => Array.from({ length: 10_000 }, (_, at) => at));
  assert.equal(filled.length, 300);
  const fullBytes = process.memoryUsage().heapTotal;
  filled = undefined;
  release();
  assert.ok(process.memoryUsage().heapTotal < fullBytes - 10_000_000);
});
