import { closeSync, openSync, readSync } from 'node:fs';

const PATH = '/proc/uptime';

/**
 * Reads the time since boot in milliseconds, to the hundredth of a second, by CLOCK_BOOTTIME: it runs on while the machine is suspended.
 * The file stays open, so that a reading costs microseconds and no descriptor, also when there are none left. Undefined where it can't be
 * read.
 */
export function openUptime(path = PATH): { readonly readMs: () => number | undefined; readonly close: () => void } {
  const buffer = Buffer.alloc(64);
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
  } catch {
    fd = undefined; // a system without it: nothing is counted
  }
  const readMs = (): number | undefined => {
    if (fd === undefined) return undefined;
    try {
      const text = buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0));
      const seconds = /^(\d+\.\d+) /.exec(text)?.[1];
      return seconds === undefined ? undefined : Number(seconds) * 1_000;
    } catch {
      return undefined;
    }
  };
  const close = (): void => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };
  return { readMs, close };
}
