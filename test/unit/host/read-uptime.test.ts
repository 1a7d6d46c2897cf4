import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openUptime } from '../../../src/host/read-uptime.ts';

test('openUptime() reads a time that grows as the monotonic clock does', () => {
  const uptime = openUptime();
  const first = uptime.readMs() ?? Number.NaN;
  const beganMs = performance.now();
  while (performance.now() - beganMs < 30) uptime.readMs();
  const grownMs = (uptime.readMs() ?? Number.NaN) - first;
  const passedMs = performance.now() - beganMs;
  assert.ok(Math.abs(grownMs - passedMs) <= 25, `${grownMs} of ${passedMs}`);
  uptime.close();
  assert.equal(uptime.readMs(), undefined);
});

test('openUptime() is undefined where there is none', () => {
  assert.equal(openUptime('/proc/no-such-file').readMs(), undefined);
});
