import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AGENT_LOCK_PATH } from './agent-lock.ts';

/** The agent that runs on this machine, as it was started. */
export interface RunningAgent {
  readonly pid: number;
  /** What follows the executable's path. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** On the wall clock, to the second. */
  readonly startedAtMs: number;
}

/** Finds it by its lock; undefined when none runs, or this user may not look. `root`: another machine's files. */
export async function readRunningAgent(root = ''): Promise<RunningAgent | undefined> {
  try {
    const pid = Number((await readFile(join(root, AGENT_LOCK_PATH), 'utf8')).trim());
    if (!Number.isInteger(pid) || pid < 1) return undefined;
    const process = join(root, '/proc', String(pid));
    const [commandLine, environ, state, kernel] = await Promise.all(
      [join(process, 'cmdline'), join(process, 'environ'), join(process, 'stat'), join(root, '/proc/stat')].map(
        (path) => readFile(path, 'utf8'),
      ),
    );
    if (commandLine === undefined || environ === undefined) return undefined;
    const words = commandLine.split('\0').slice(0, -1);
    const at = words.indexOf('agent');
    if (at < 0) return undefined; // the lock outlives its holder, whose number another process may have by now
    return {
      pid,
      args: words.slice(at + 1),
      environment: parseEnvironment(environ),
      startedAtMs: startTime(state ?? '', kernel ?? ''),
    };
  } catch {
    return undefined;
  }
}

/** What proc(5) says: ticks of 10 ms after the boot. */
function startTime(state: string, kernel: string): number {
  const fields = state.slice(state.lastIndexOf(')') + 2).split(' ');
  const bootedAtS = Number(/^btime (\d+)$/m.exec(kernel)?.[1] ?? Number.NaN);
  return bootedAtS * 1_000 + Number(fields[19]) * 10;
}

function parseEnvironment(text: string): Record<string, string> {
  const pairs = text.split('\0').filter((pair) => pair.includes('='));
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}
