import { execa } from 'execa';

/** What a finished command left. `exitCode` is -1 if a signal or the time limit ended it. */
export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** `reject: false` returns a failure instead of throwing it. */
export interface CommandOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly reject?: boolean;
  /** Keeps the newline at the end of the output. */
  readonly exact?: boolean;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * A machine that goes down stops all its processes before it kills them, and nsenter stops itself when what it runs is stopped. Nobody
 * on the machine can wake it, and while it doesn't reap what it ran, the machine can't end.
 */
const wakeEveryMs = 1_000;

/** Before a command: it is killed when this process ends. */
export const endsWithUs: readonly string[] = ['setpriv', '--pdeathsig', 'KILL', '--'];

/** Runs a command in a process group of its own, which the time limit kills as a whole. */
export async function command(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [file = '', ...args] = argv;
  const child = execa(file, args, {
    reject: false,
    detached: true,
    stripFinalNewline: options.exact !== true,
    maxBuffer: 100_000_000,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env, extendEnv: false }),
  });
  const timer = options.timeoutMs === undefined ? undefined : setTimeout(() => killGroup(child.pid), options.timeoutMs);
  const waking = setInterval(() => killGroup(child.pid, 'SIGCONT'), wakeEveryMs);
  const { stdout, stderr, exitCode, failed, shortMessage } = await child;
  clearTimeout(timer);
  clearInterval(waking);
  if (failed && options.reject !== false) {
    throw new Error(`${shortMessage}\n${stderr}${stdout === '' ? '' : `\n${stdout.slice(-2000)}`}`.trimEnd());
  }
  return { stdout, stderr, exitCode: exitCode ?? -1 };
}

/** Kills a process group that may already be gone, or sends it another signal. */
export function killGroup(pid: number | undefined, signal: NodeJS.Signals = 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Gone, which is what was wanted.
  }
}
