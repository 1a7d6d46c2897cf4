import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { readProcess } from '../../../src/metrics/process-figures.ts';

test('the kernel is believed about this process', async () => {
  const beforeSeconds = process.cpuUsage();
  const values = new Map((await readProcess(systemClock)).map(({ name, value }) => [name, value]));
  const near = (name: Parameters<typeof values.get>[0], expected: number, part: number) => {
    const value = values.get(name) ?? Number.NaN;
    assert.ok(Math.abs(value - expected) <= expected * part, `${name}: ${value}, expected about ${expected}`);
  };
  near('process_resident_memory_bytes', process.memoryUsage().rss, 0.3);
  near('process_cpu_seconds_total', (beforeSeconds.user + beforeSeconds.system) / 1e6, 0.5);
  near('process_start_time_seconds', Date.now() / 1000 - process.uptime(), 1e-8); // some 15 s of what is counted since 1970
  near('nodejs_heap_size_used_bytes', process.memoryUsage().heapUsed, 0.3);
  assert.ok((values.get('process_open_fds') ?? 0) > 2);
  assert.ok((values.get('process_max_fds') ?? 0) >= (values.get('process_open_fds') ?? 0));
  assert.ok((values.get('process_virtual_memory_bytes') ?? 0) > (values.get('process_resident_memory_bytes') ?? 0));
  assert.ok((values.get('process_resident_anonymous_memory_bytes') ?? 0) > 1e6);
  assert.ok((values.get('nodejs_eventloop_lag_seconds') ?? -1) >= 0);
});
