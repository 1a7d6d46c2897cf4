import { readdir, readFile } from 'node:fs/promises';
import type { LabNode } from '../../test/lab/lab-node.ts';

/** The main process of a unit of a node, as the host numbers it. */
export async function hostPid(node: LabNode, unit: string): Promise<number> {
  return findOnHost(node, await node.mainPid(unit));
}

async function findOnHost(node: LabNode, pid: number): Promise<number> {
  const children = await readFile(`/proc/${node.leaderPid}/task/${node.leaderPid}/children`, 'utf8');
  for (const child of children.trim().split(' ')) {
    const status = await readFile(`/proc/${child}/status`, 'utf8').catch(() => '');
    if (new RegExp(`^NSpid:.*\\t${pid}$`, 'm').test(status)) return Number(child);
  }
  throw new Error(`Cannot find process ${pid} of ${node.name} on the host`);
}

/** What a process has in memory, in megabytes (10^6). */
export async function readMemory(pid: number): Promise<{ readonly residentMb: number; readonly anonymousMb: number }> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const megabytes = (name: string) => (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024) / 1e6;
  return { residentMb: megabytes('Rss'), anonymousMb: megabytes('Anonymous') };
}

/** The time that all threads of a process have spent on a CPU, in milliseconds. */
export async function readCpuMs(pid: number): Promise<number> {
  let spentNs = 0;
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').catch(() => '0');
    spentNs += Number(text.split(' ')[0]);
  }
  return spentNs / 1e6;
}
