import { readFile } from 'node:fs/promises';
import { errorText } from '../domain/errors.ts';
import type { NodeStatsAnswer, UsageRow } from '../wire/stats-answers.ts';
import type { ApiDeps } from './api-deps.ts';
import { makeHeavyWork } from './heavy-work.ts';

/** The kernel shows times in hundredths of a second, whatever it counts in. */
const TICK_MS = 10;
const KIBI = 1_024;

/** What this node uses at this moment. Nothing is counted but when it's asked for, and then once for all who ask meanwhile. */
export async function getNodeStats(deps: ApiDeps, signal: AbortSignal): Promise<NodeStatsAnswer> {
  const { usage } = deps.heavy ?? makeHeavyWork();
  return usage.read('', async (during) => countUsage(deps, during), signal);
}

async function countUsage(deps: ApiDeps, signal: AbortSignal): Promise<NodeStatsAnswer> {
  const problems: string[] = [];
  const usages = await Promise.all(
    deps.runtimes.map(async (runtime) => {
      try {
        return (await runtime.usage?.(signal)) ?? [];
      } catch (error) {
        signal.throwIfAborted();
        problems.push(errorText(error));
        return [];
      }
    }),
  );
  const machine = parseMachine(await read('/proc/stat'), await read('/proc/meminfo'), await read('/proc/loadavg'));
  const { id, hostname } = deps.node;
  const instances = usages.flat().map(({ key, cpuNs, memoryBytes }): UsageRow => {
    const cpu = cpuNs === undefined ? {} : { cpuMs: Number(cpuNs / 1_000n) / 1_000 };
    return { key, ...cpu, ...(memoryBytes === undefined ? {} : { memoryBytes }) };
  });
  return { node: { id, hostname }, clockMs: deps.clock.monotonicMs(), ...machine, instances, problems };
}

/** The machine's own figures, from /proc/stat, /proc/meminfo and /proc/loadavg. */
export function parseMachine(
  stat: string,
  meminfo: string,
  loadavg: string,
): Pick<NodeStatsAnswer, 'cpus' | 'cpuMs' | 'memoryBytes' | 'memoryTotalBytes' | 'load'> {
  const [, ticks = ''] = /^cpu +(.*)$/m.exec(stat) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = ticks.split(' ').map(Number);
  const field = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(meminfo)?.[1] ?? 0) * KIBI;
  return {
    cpus: [...stat.matchAll(/^cpu\d+ /gm)].length,
    cpuMs: (user + nice + system + irq + softirq + steal) * TICK_MS,
    memoryBytes: field('MemTotal') - field('MemAvailable'),
    memoryTotalBytes: field('MemTotal'),
    load: Number(loadavg.split(' ')[0] ?? 0) || 0,
  };
}

async function read(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
