import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import { root } from './paths.ts';

const killGraceMs = 60_000;
const running = new Set<ChildProcess>();
let interruptedBy: NodeJS.Signals | undefined;

/** What a command left: its exit code (128 + number for a signal), and its output where that was captured. */
export interface Outcome {
  readonly code: number;
  readonly output: string;
  readonly timedOut: boolean;
}

/** How to run a command: captured or inherited output, and the time after which it is asked, then forced, to end. */
export interface CommandOptions {
  readonly stdio?: 'pipe' | 'inherit';
  /** Called with each line of it as it comes, for output that is captured. */
  readonly onLine?: (line: string) => void;
  readonly cwd?: string;
  readonly limitMs?: number;
}

/** Runs a command to its end; never rejects because of how it ended. Captured output has both streams in order. */
export async function runCommand(command: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  const [file = '', ...args] = command;
  const stdio: SpawnOptions['stdio'] = ['ignore', options.stdio ?? 'inherit', options.stdio ?? 'inherit'];
  const child = spawn(file, args, { cwd: options.cwd ?? root, stdio });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
    if (options.onLine !== undefined) createInterface({ input: stream }).on('line', options.onLine);
  }
  const limit = limitTime(child, options.limitMs);
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    const signalCode = signal === null ? 1 : 128 + constants.signals[signal];
    return { code: code ?? signalCode, output, timedOut: limit.reached };
  } finally {
    limit.clear();
    running.delete(child);
  }
}

function limitTime(child: ChildProcess, limitMs: number | undefined) {
  const limit = { reached: false, clear: () => {} };
  if (limitMs === undefined) return limit;
  const ask = setTimeout(() => {
    limit.reached = true;
    child.kill('SIGTERM');
  }, limitMs);
  const force = setTimeout(() => child.kill('SIGKILL'), limitMs + killGraceMs);
  limit.clear = () => {
    clearTimeout(ask);
    clearTimeout(force);
  };
  return limit;
}

/** The signal that asked this script to end, if one did. */
export function interruption(): NodeJS.Signals | undefined {
  return interruptedBy;
}

/**
 * Passes SIGINT, SIGTERM and SIGHUP on to the children, so that they clean up; this script ends when they have.
 * A terminal sends Ctrl-C to the whole group by itself.
 */
export function passSignalsOn(): void {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      interruptedBy ??= name;
      if (name === 'SIGINT' && process.stdin.isTTY) return;
      for (const child of running) child.kill(name);
    });
  }
}
