import type { Host } from '../host/port.ts';
import type { Clock } from '../loop/clock.ts';

/** Long enough to cost nothing, soon enough that a start or a storm is not paid for afterwards. */
const EVERY_MS = 30_000;

/** Gives back, now and then, what a burst of work has left free: this process sits on every machine. Never rejects. */
export async function releaseMemory(host: Host, clock: Clock, signal: AbortSignal): Promise<void> {
  while (await clock.sleep(EVERY_MS, signal)) await host.releaseMemory();
}
