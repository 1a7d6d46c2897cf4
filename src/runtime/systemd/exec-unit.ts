import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { AgentError } from '../../domain/errors.ts';
import { assertCanSpawn } from '../../host/assert-can-spawn.ts';
import type { Clock } from '../../loop/clock.ts';
import { mergeOutputs, writeAll } from '../exec-streams.ts';
import type { ExecOrder, ExecSession, TerminalSize } from '../port.ts';
import { openPty, type Pty } from './pty.ts';
import type { SystemdManager } from './systemd-manager.ts';

/** The unit that a command is to run beside. */
export interface ExecTarget {
  readonly unit: string;
  /** Its main process. */
  readonly pid: number;
  /** Where its processes are: those of the command go there too. */
  readonly slice: string;
  /** Prefixed to paths, and to commands: where the machine is another one. */
  readonly root: string;
  readonly enter: readonly string[];
  /** Ends all processes of a scope. */
  readonly stopScope: (scope: string) => Promise<void>;
}

/** What of a unit's process a command beside it takes over. */
interface ProcessContext {
  readonly environment: Readonly<Record<string, string>>;
  readonly uid: number;
  readonly gid: number;
}

/** What begins the command is never looked for in the unit's path. */
const programs = { run: '/usr/bin/systemd-run', enter: '/usr/bin/nsenter', session: '/usr/bin/setsid' } as const;
/** Twice what systemd gives it between SIGTERM and SIGKILL. */
const STOP_LIMIT_MS = 4_000;
const STOP_POLL_MS = 50;
/** Environments longer than this are no environments. */
const ENVIRONMENT_LIMIT_BYTES = 4 * 1024 * 1024;

/**
 * Runs a command beside a unit: in a scope of its own in the unit's slice, bound to the unit, so that it ends with it, and is found by
 * whatever ends the slice; with the namespaces, root, working directory, environment and user of the unit's main process.
 */
export async function execBesideUnit(target: ExecTarget, order: ExecOrder): Promise<ExecSession> {
  const context = await readContext(target);
  const scope = `muster-exec-${randomBytes(6).toString('hex')}.scope`;
  const argv = [
    ...target.enter,
    ...scopeCommand(target, scope),
    ...nsenterCommand(target.pid, context),
    '--',
    ...order.command,
  ];
  const { terminal } = order;
  if (terminal === undefined) return startPiped(target, { scope, argv, environment: context.environment }, order);
  const pty = await openPty(terminal);
  try {
    await pty.giveTo(context.uid, context.gid);
    const environment = { ...context.environment, TERM: terminal.type };
    return await startOnTerminal(target, { scope, argv: [programs.session, '--ctty', ...argv], environment }, pty);
  } finally {
    pty.closeSlave();
  }
}

function scopeCommand({ unit, slice }: ExecTarget, scope: string): string[] {
  const word = unit.replaceAll('\\', '\\\\'); // a list of units is read as words, in which a backslash escapes
  const properties = [`BindsTo=${word}`, `After=${word}`, 'SendSIGHUP=yes', 'TimeoutStopSec=2s'];
  return [
    ...[programs.run, '--scope', '--quiet', '--collect', `--unit=${scope}`, `--slice=${slice}`],
    ...['--description=Command of muster exec', ...properties.map((property) => `--property=${property}`), '--'],
  ];
}

function nsenterCommand(pid: number, { uid, gid }: ProcessContext): string[] {
  const user = uid === 0 && gid === 0 ? [] : [`--setuid=${uid}`, `--setgid=${gid}`];
  return [programs.enter, `--target=${pid}`, '--all', '--root', '--wd', ...user];
}

async function readContext({ unit, pid, root }: ExecTarget): Promise<ProcessContext> {
  try {
    const environ = await readFile(`${root}/proc/${pid}/environ`);
    const status = await readFile(`${root}/proc/${pid}/status`, 'utf8');
    const id = (name: string) => Number(new RegExp(`^${name}:\\t\\d+\\t(\\d+)`, 'm').exec(status)?.[1] ?? 0);
    return { environment: parseEnvironment(environ), uid: id('Uid'), gid: id('Gid') };
  } catch (cause) {
    throw new AgentError('CONFLICT', `Cannot run a command in "${unit}": its main process has just ended`, { cause });
  }
}

/**
 * What a process could use to have its say in programs that run as root before the command does (those that glibc takes from set-user-ID
 * programs, OpenSSL's and systemd's), and what is meant for the unit's own process alone. A service may have rewritten its environment.
 */
const withheld = new RegExp(
  [
    '^(LD_|GLIBC_|GCONV_|GETCONF_|MALLOC_|RES_|RESOLV_|NIS_|OPENSSL_|DBUS_|SYSTEMD_|BASH_FUNC_|LISTEN_|WATCHDOG_)',
    '^MEMORY_PRESSURE_',
    '^(HOSTALIASES|LANGUAGE|LOCALDOMAIN|LOCPATH|NLSPATH|TMPDIR|TZDIR|BASH_ENV|ENV|NOTIFY_SOCKET|JOURNAL_STREAM|MAINPID)$',
  ].join('|'),
);

/** The variables of /proc/PID/environ that a command may have. */
export function parseEnvironment(environ: Buffer): Record<string, string> {
  const pairs = environ.subarray(0, ENVIRONMENT_LIMIT_BYTES).toString('utf8').split('\0');
  return Object.fromEntries(
    pairs.flatMap((pair) => {
      const at = pair.indexOf('=');
      const name = pair.slice(0, Math.max(0, at));
      return at > 0 && !withheld.test(name) ? [[name, pair.slice(at + 1)]] : [];
    }),
  );
}

interface Start {
  readonly scope: string;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** A process of ours. */
interface Child {
  readonly stdin: Writable | null;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly ended: Promise<{ readonly exitCode?: number; readonly signal?: string }>;
  kill: () => void;
}

async function spawn(
  { argv, environment: env }: Start,
  stdio: readonly ('pipe' | 'ignore' | number)[],
): Promise<Child> {
  const [file = '', ...args] = argv;
  assertCanSpawn(file);
  const { execa } = await import('execa'); // heavy, and most agents never run a command
  const [stdin = 'ignore', stdout = 'ignore', stderr = 'ignore'] = stdio;
  const options = { stdin, stdout, stderr, env, extendEnv: false, buffer: false, reject: false } as const;
  const child = execa(file, args, options as object);
  const streams = child as unknown as Pick<Child, 'stdin' | 'stdout' | 'stderr'>;
  const ended = Promise.resolve(child) as Child['ended'];
  return {
    stdin: streams.stdin,
    stdout: streams.stdout,
    stderr: streams.stderr,
    ended,
    kill: () => void (child as unknown as { kill(signal: string): boolean }).kill('SIGKILL'),
  };
}

async function startPiped(target: ExecTarget, start: Start, order: ExecOrder): Promise<ExecSession> {
  const { stdin, stdout, stderr, ended, kill } = await spawn(start, [order.input ? 'pipe' : 'ignore', 'pipe', 'pipe']);
  stdin?.on('error', () => {}); // it reads no more
  return {
    output: mergeOutputs({ stdout, stderr }),
    write: async (data) => (stdin === null ? undefined : writeAll(stdin, data)),
    endInput: () => stdin?.end(),
    resize: async () => {},
    exitCode: async () => exitCodeOf(await ended),
    close: async () => {
      await target.stopScope(start.scope);
      kill();
      await ended;
    },
  };
}

async function startOnTerminal(target: ExecTarget, start: Start, pty: Pty): Promise<ExecSession> {
  const { master } = pty;
  master.on('error', () => {}); // told to whoever reads
  const child = await spawn(start, [pty.slave, pty.slave, pty.slave]).catch((error: unknown) => {
    master.destroy();
    throw error;
  });
  return {
    output: mergeOutputs({ stdout: master }),
    write: async (data) => writeAll(master as unknown as Writable, data),
    endInput: () => {}, // a terminal's input has no end: programs are told by what is typed
    resize: async (size: TerminalSize) => pty.resize(size),
    exitCode: async () => exitCodeOf(await child.ended),
    close: async () => {
      master.destroy();
      await target.stopScope(start.scope);
      child.kill();
      await child.ended;
    },
  };
}

/** Ends a unit and waits for that; one that nobody can end now is left to systemd. */
export async function stopUnit(
  manager: Pick<SystemdManager, 'stopUnit' | 'isLoaded'>,
  unit: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const untilMs = clock.monotonicMs() + STOP_LIMIT_MS;
  try {
    if ((await manager.stopUnit(unit, signal)) === undefined) return;
    while (clock.monotonicMs() < untilMs && (await manager.isLoaded(unit, signal)))
      await clock.sleep(STOP_POLL_MS, signal);
  } catch {
    // the bus is away, or the runtime is being closed
  }
}

function exitCodeOf({ exitCode, signal }: { readonly exitCode?: number; readonly signal?: string }): number {
  if (exitCode !== undefined) return exitCode;
  return 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
}
