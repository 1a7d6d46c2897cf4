import { readFile, readlink } from 'node:fs/promises';
import { loadUnmap } from './libc.ts';

/** A range of this process's addresses. */
export interface AddressRange {
  readonly address: bigint;
  readonly bytes: bigint;
}

/**
 * The parts of memory that show the executable as it is on disk and nothing else: read-only, and no page of it was ever written to
 * (such a page is anonymous from then on, or in swap: proc_pid_smaps(5)). What is taken away there the kernel reads again from the
 * file. `Private_Dirty` says something else: of a file just installed, that it's still to be written to the disk.
 * @param smaps the text of /proc/self/smaps
 * @param executable what /proc/self/exe points to
 */
export function listExecutableRanges(smaps: string, executable: string): AddressRange[] {
  const ranges: AddressRange[] = [];
  for (const [, from = '', to = '', rights = '', path = '', rest = ''] of smaps.matchAll(mappingForm)) {
    const isClean = /^Anonymous:\s+0 kB$/m.test(rest) && /^Swap:\s+0 kB$/m.test(rest);
    if (path !== executable || !/^r-[-x]p$/.test(rights) || !isClean) continue;
    const address = BigInt(`0x${from}`);
    ranges.push({ address, bytes: BigInt(`0x${to}`) - address });
  }
  return ranges;
}

/** One mapping: its line, and the lines about it, which begin with a capital. */
const mappingForm = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(.*)\n((?:[A-Z].*\n)*)/gm;

/**
 * Lets go of what only the start of this process needed of its executable: some 40 MB of Node's own code and tables. What is used
 * is mapped again as it's used, from the kernel's cache of the file: some hundred page faults, a millisecond in all. To be done
 * once: pages that are in use are what the kernel keeps longest when memory is short, and an agent must go on then. Never rejects.
 */
export async function releaseExecutable(): Promise<void> {
  const unmap = await loadUnmap();
  if (unmap === undefined) return;
  try {
    const [smaps, executable] = await Promise.all([readFile('/proc/self/smaps', 'utf8'), readlink('/proc/self/exe')]);
    for (const { address, bytes } of listExecutableRanges(smaps, executable)) unmap(address, bytes);
  } catch {
    // Without /proc everything stays mapped.
  }
}
