import type { StatsFs } from 'node:fs';
import { readFile, statfs } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { dirname } from 'node:path';
import { type KernelClock, readKernelClock } from '../host/libc.ts';
import { listAddresses } from '../host/list-addresses.ts';
import { readIdentity } from '../host/read-identity.ts';
import type { CgroupFacts, DiskFacts, MachineIdFacts } from './facts.ts';

/** Whether control groups are version 2, and what they can limit. */
export async function readCgroups(): Promise<CgroupFacts> {
  const text = await readFile('/sys/fs/cgroup/cgroup.controllers', 'utf8').catch(() => undefined);
  return { isUnified: text !== undefined, controllers: (text ?? '').trim().split(/\s+/) };
}

/** Room of the file system of a folder; where that isn't there yet, of the nearest one above it. */
export async function readDisk(path: string, what: string): Promise<DiskFacts> {
  try {
    const { blocks, bavail, bsize, files, ffree } = await statfsNear(path);
    const room = { totalBytes: blocks * bsize, freeBytes: bavail * bsize, totalInodes: files, freeInodes: ffree };
    return { path, what, room: { value: room } };
  } catch (error) {
    return {
      path,
      what,
      room: { error: `can't be looked at: ${error instanceof Error ? error.message : String(error)}` },
    };
  }
}

async function statfsNear(path: string): Promise<StatsFs> {
  try {
    return await statfs(path);
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isMissing || path === '/') throw error;
    return statfsNear(dirname(path));
  }
}

/** Who this machine is, and whether that stays. Rejects where it has no machine ID. */
export async function readMachineId(): Promise<Omit<MachineIdFacts, 'recorded'> & { readonly nodeId: string }> {
  const { machineId, productUuid, hostname, nodeId } = await readIdentity('');
  const mounts = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  const isTransient = mounts.split('\n').some((line) => line.split(' ')[4] === '/etc/machine-id');
  return { machineId, hostname, nodeId, isTransient, ...(productUuid === undefined ? {} : { productUuid }) };
}

/** Addresses by which other nodes may reach this machine. */
export function readAddresses(): readonly string[] {
  return listAddresses(networkInterfaces());
}

/** Whether something keeps the kernel's clock right. */
export async function readClock(): Promise<KernelClock> {
  const clock = await readKernelClock();
  if (clock === undefined) throw new Error('the kernel does not say whether something keeps it right');
  return clock;
}
