import { readdir, readFile } from 'node:fs/promises';
import { getHeapStatistics } from 'node:v8';
import type { Clock } from '../loop/clock.ts';
import { type Reading, readingIf } from './metrics.ts';

/** The kernel's unit in /proc: USER_HZ, which is 100 on every architecture that we build for. */
const TICKS_PER_SECOND = 100;
/** A timer so far ahead is read for how late it fires. */
const LAG_TIMER_MS = 1;

/** What the kernel and V8 say of this process. */
export async function readProcess(clock: Clock, folder = '/proc'): Promise<readonly Reading[]> {
  const read = async (name: string) => readFile(`${folder}/${name}`, 'utf8');
  const [stat, status, limits, kernel, fds, lagMs] = await Promise.all([
    read('self/stat'),
    read('self/status'),
    read('self/limits'),
    read('stat'),
    readdir(`${folder}/self/fd`),
    measureLagMs(clock),
  ]);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // the first one is "state", field 3 of proc(5)
  const field = (number: number) => Number(fields[number - 3]);
  const heap = getHeapStatistics();
  return [
    ...readingIf('process_cpu_seconds_total', (field(14) + field(15)) / TICKS_PER_SECOND),
    ...readingIf('process_resident_memory_bytes', kibOf(status, 'VmRSS')),
    ...readingIf('process_resident_anonymous_memory_bytes', kibOf(status, 'RssAnon')),
    ...readingIf('process_virtual_memory_bytes', field(23)),
    ...readingIf('process_open_fds', fds.length),
    ...readingIf('process_max_fds', numberIn(limits, /^Max open files\s+(\d+)/m)),
    ...readingIf('process_start_time_seconds', startedAt(kernel, field(22))),
    ...readingIf('nodejs_heap_size_used_bytes', heap.used_heap_size),
    ...readingIf('nodejs_heap_size_total_bytes', heap.total_heap_size),
    ...readingIf('nodejs_eventloop_lag_seconds', lagMs / 1000),
  ];
}

function kibOf(status: string, name: string): number | undefined {
  const kib = numberIn(status, new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'));
  return kib === undefined ? undefined : kib * 1024;
}

function startedAt(kernel: string, ticksSinceBoot: number): number | undefined {
  const bootSeconds = numberIn(kernel, /^btime (\d+)/m);
  return bootSeconds === undefined ? undefined : bootSeconds + ticksSinceBoot / TICKS_PER_SECOND;
}

function numberIn(text: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

async function measureLagMs(clock: Clock): Promise<number> {
  const dueMs = clock.monotonicMs() + LAG_TIMER_MS;
  await new Promise<void>((resolve) => {
    clock.after(LAG_TIMER_MS, resolve);
  });
  return Math.max(0, clock.monotonicMs() - dueMs);
}
