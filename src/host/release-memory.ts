import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { releaseExecutable } from './executable-pages.ts';
import { loadTrim } from './libc.ts';

/** A heap that has grown by so much since it was last collected is worth its collection, of some 20 ms. */
const GROWN = 1.1;

/**
 * Lets go of what the start has left, and makes what collects garbage once the heap has grown, and gives what is free back to the
 * machine. Idle, it costs nothing.
 */
export async function makeMemoryRelease(): Promise<() => void> {
  const trim = await loadTrim();
  await releaseExecutable();
  const collect = exposeCollector();
  let collectedBytes = 0;
  return () => {
    if (getHeapStatistics().total_heap_size <= collectedBytes * GROWN) return;
    collect?.();
    trim?.();
    collectedBytes = getHeapStatistics().total_heap_size;
  };
}

/** V8 collects when it must, not when there is time: a process that has become idle keeps what its last burst has left. */
function exposeCollector(): (() => void) | undefined {
  setFlagsFromString('--expose-gc');
  return runInNewContext('globalThis.gc') as (() => void) | undefined;
}
