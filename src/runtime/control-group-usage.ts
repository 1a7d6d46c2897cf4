import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path/posix';
import type { InstanceKey } from '../domain/ids.ts';
import type { InstanceUsage } from './port.ts';

/** An instance that may run. */
export interface UsedBy {
  readonly key: InstanceKey;
  /** Its main process; absent: it has none now. */
  readonly pid?: number | undefined;
  /** A part of its control group's name: processes may be in groups below it. */
  readonly within?: string | undefined;
}

/** Below which folders of /sys/fs/cgroup a process's group is, by controller: `''` is version 2. */
type Groups = ReadonlyMap<string, string>;

const PAGE_BYTES = 4_096;
/** The kernel shows times in hundredths of a second, whatever it counts in. */
const TICK_NS = 10_000_000n;

/**
 * What instances use, from the files of their control groups, whichever versions the machine has. Where memory isn't accounted, the
 * memory of the group's processes is added up. Instances without a process are left out.
 * @param root prefixed to every path
 */
export async function readUsage(instances: readonly UsedBy[], root = ''): Promise<readonly InstanceUsage[]> {
  const all = await Promise.all(instances.map(async (each) => readOne(each, root)));
  return all.filter((usage) => usage !== undefined);
}

async function readOne({ key, pid, within }: UsedBy, root: string): Promise<InstanceUsage | undefined> {
  if (pid === undefined || pid <= 1) return undefined;
  const text = await read(`${root}/proc/${pid}/cgroup`);
  if (text === undefined) return undefined; // it has just ended
  const groups = parseGroups(text, within);
  const processes = async () => findProcesses(groups, pid, root);
  const cpuNs = (await readCpu(groups, root)) ?? (await sumCpu(await processes(), root));
  const memoryBytes = (await readMemory(groups, root)) ?? (await sumMemory(await processes(), root));
  return {
    key,
    ...(cpuNs === undefined ? {} : { cpuNs }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
  };
}

/** The groups of a process, from /proc/PID/cgroup; each cut off after the part that `within` names. */
export function parseGroups(text: string, within: string | undefined): Groups {
  const groups = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === '') continue;
    const parts = path.split('/');
    const at = within === undefined ? -1 : parts.findIndex((part) => part.includes(within));
    const own = at < 0 ? path : parts.slice(0, at + 1).join('/');
    for (const controller of controllers.split(',')) groups.set(controller, own);
  }
  return groups;
}

async function readCpu(groups: Groups, root: string): Promise<bigint | undefined> {
  const unified = groups.get('');
  for (const folder of unifiedFolders(unified, root)) {
    const usage = /^usage_usec (\d+)$/m.exec((await read(join(folder, 'cpu.stat'))) ?? '')?.[1];
    if (usage !== undefined && unified !== '/') return BigInt(usage) * 1_000n;
  }
  const group = groups.get('cpuacct');
  if (group === undefined || group === '/') return undefined;
  const text = await read(`${root}/sys/fs/cgroup/cpuacct${group}/cpuacct.usage`);
  return text === undefined || !/^\d+\n?$/.test(text) ? undefined : BigInt(text.trim());
}

async function readMemory(groups: Groups, root: string): Promise<number | undefined> {
  const unified = groups.get('');
  for (const folder of unifiedFolders(unified, root)) {
    const used = unified === '/' ? undefined : await accounted(folder, 'memory.current', 'inactive_file');
    if (used !== undefined) return used;
  }
  const group = groups.get('memory');
  if (group !== undefined && group !== '/') {
    const folder = `${root}/sys/fs/cgroup/memory${group}`;
    return accounted(folder, 'memory.usage_in_bytes', 'total_inactive_file');
  }
  return undefined;
}

async function accounted(folder: string, file: string, reclaimable: string): Promise<number | undefined> {
  const used = Number(await read(join(folder, file)));
  if (!Number.isFinite(used)) return undefined;
  const stat = (await read(join(folder, 'memory.stat'))) ?? '';
  const files = Number(new RegExp(`^${reclaimable} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0);
  return Math.max(0, used - files);
}

/** Where version 2 is the only one, and where it's beside version 1. */
function unifiedFolders(group: string | undefined, root: string): string[] {
  if (group === undefined) return [];
  return [`${root}/sys/fs/cgroup${group}`, `${root}/sys/fs/cgroup/unified${group}`];
}

/** All processes of the group and of those below it; the main one where the group's can't be found. */
async function findProcesses(groups: Groups, pid: number, root: string): Promise<readonly string[]> {
  const named = groups.get('name=systemd');
  const folders = [
    ...unifiedFolders(groups.get(''), root),
    ...(named === undefined ? [] : [`${root}/sys/fs/cgroup/systemd${named}`]),
  ];
  for (const folder of folders) {
    const pids = folder.endsWith('/') ? [] : await listProcesses(folder);
    if (pids.length > 0) return pids;
  }
  return [String(pid)];
}

/** Resident memory; what processes share counts for each. */
async function sumMemory(pids: readonly string[], root: string): Promise<number> {
  const sizes = await Promise.all(
    pids.map(async (pid) => Number((await read(`${root}/proc/${pid}/statm`))?.split(' ')[1] ?? 0)),
  );
  return sizes.reduce((sum, pages) => sum + pages, 0) * PAGE_BYTES;
}

/** Time on a processor of the processes that there are now. */
async function sumCpu(pids: readonly string[], root: string): Promise<bigint> {
  const ticks = await Promise.all(
    pids.map(async (pid) => {
      const text = (await read(`${root}/proc/${pid}/stat`)) ?? '';
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
    }),
  );
  return BigInt(ticks.reduce((sum, each) => sum + each, 0)) * TICK_NS;
}

/** Nobody nests groups so deep that this matters. */
const DEPTH_LIMIT = 8;

/** The processes of a control group and of those below it; none where there's no such group. */
export async function listProcesses(folder: string, depth = 0): Promise<string[]> {
  const own = ((await read(join(folder, 'cgroup.procs'))) ?? '').split('\n').filter((pid) => /^\d+$/.test(pid));
  if (depth === DEPTH_LIMIT) return own;
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const below = entries.filter((entry) => entry.isDirectory());
  const others = await Promise.all(below.map(async ({ name }) => listProcesses(join(folder, name), depth + 1)));
  return [...own, ...others.flat()];
}

/** A file of the kernel's; undefined where there is none, or no longer. */
async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}
