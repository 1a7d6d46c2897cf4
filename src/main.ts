import { writeSync } from 'node:fs';
import type { KeyTerminal, Output, Terminal } from './cli/context.ts';
import type { Machine } from './cli/machine.ts';

/** Set when the executable is built. */
declare const __MUSTER_VERSION__: string | undefined;
declare const __MUSTER_COMMIT__: string | undefined;

const version = {
  version: typeof __MUSTER_VERSION__ === 'string' ? __MUSTER_VERSION__ : 'dev',
  commit: typeof __MUSTER_COMMIT__ === 'string' ? __MUSTER_COMMIT__ : 'source',
};

/** How long the process may take to end once it was told to: an agent leaves a machine that shuts down in up to 30 s. */
const endWithinMs = { command: 2_000, agent: 40_000 };

/** What shells expect of a process that a signal ended. */
const signalCodes = { SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 } as const;

/** Why the command's signal aborted: the exit code says it. */
class Ended extends Error {
  override readonly name = 'Ended';
  readonly by: keyof typeof signalCodes;
  constructor(by: keyof typeof signalCodes) {
    super(`Ended by ${by}`);
    this.by = by;
  }
}

/** This process, as far as commands can see and end it. */
class Program {
  readonly #controller = new AbortController();
  #isAgent = false;

  /** Runs the command that `argv` calls. The exit code is what it returns, or says what ended it. */
  async run(argv: readonly string[]): Promise<void> {
    process.on('uncaughtException', (error) => this.exitOnDefect(error));
    process.on('unhandledRejection', (error) => this.exitOnDefect(error));
    process.on('SIGINT', () => this.#end('SIGINT'));
    process.on('SIGTERM', () => this.#end('SIGTERM'));
    const { signal } = this.#controller;
    try {
      const { runCli } = await import('./cli/run-cli.ts');
      process.exitCode = await runCli(argv, this.#makeTerminal(), signal);
    } catch (error) {
      if (!(signal.reason instanceof Ended)) throw error;
      process.exitCode = signalCodes[signal.reason.by];
    }
    if (this.#isAgent) process.exit(); // whatever its libraries still hold open
  }

  /** What habit sends to daemons must not end this one. */
  #becomeAgent(): void {
    this.#isAgent = true;
    process.on('SIGHUP', () => {});
  }

  /** The first time it aborts the command's signal. The second time, or when that takes too long, the process ends. */
  #end(by: keyof typeof signalCodes): void {
    if (this.#controller.signal.aborted) process.exit(signalCodes[by]);
    this.#controller.abort(new Ended(by));
    const limitMs = this.#isAgent ? endWithinMs.agent : endWithinMs.command;
    setTimeout(() => process.exit(this.#isAgent ? 1 : signalCodes[by]), limitMs).unref();
  }

  /** Nobody takes what is written: a reader that has had enough is no error, a full disk is. */
  #endUnread(error: NodeJS.ErrnoException): void {
    if (error.code === 'EPIPE') {
      this.#end('SIGPIPE');
      return;
    }
    tryWrite(2, `muster: Cannot write to standard output: ${error.message}\n`);
    process.exit(1);
  }

  /** A defect: said with its place where somebody can use it (the agent's journal), and the process ends. */
  exitOnDefect(error: unknown): void {
    const isDetailed = this.#isAgent || (process.env['MUSTER_DEBUG'] ?? '') !== '';
    const text = error instanceof Error ? ((isDetailed ? error.stack : undefined) ?? error.message) : String(error);
    tryWrite(2, `muster: internal error: ${text}\n`);
    process.exit(1);
  }

  #makeTerminal(): Terminal {
    const { env, pid } = process;
    return {
      stdout: makeOutput(
        () => process.stdout,
        (error) => this.#endUnread(error),
      ),
      stderr: makeOutput(
        () => process.stderr,
        () => {},
      ),
      stdin: { [Symbol.asyncIterator]: () => process.stdin[Symbol.asyncIterator]() },
      closeStdin: () => process.stdin.destroy(),
      keys: keyTerminal,
      env,
      version,
      clock,
      timeZone: () => Temporal.Now.timeZoneId(),
      connect: async (target) => (await import('./cli/connection.ts')).connect(target),
      machine: async () => loadMachine(env),
      runAgent: async (start, signal) => {
        this.#becomeAgent();
        const { runAgent } = await import('./agent/run-agent.ts');
        const monotonicUs = () => Number(process.hrtime.bigint() / 1_000n);
        return runAgent(
          {
            ...start,
            env,
            pid,
            self: ownCommandLine(),
            ...version,
            monotonicUs,
            killProcess,
            write: (text) => process.stdout.write(text),
          },
          signal,
        );
      },
    };
  }
}

/** One that has ended already is as good as killed. */
function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** What looks at this machine is loaded when it's asked for. */
async function loadMachine(env: Terminal['env']): Promise<Machine> {
  const { diagnose, showConfig } = await import('./doctor/machine.ts');
  return {
    config: async (start) => showConfig({ ...start, env }),
    diagnose: async (start, signal) => diagnose({ ...start, env, version: version.version }, signal),
  };
}

const clock: Terminal['clock'] = {
  monotonicMs: () => performance.now(),
  wallTime: () => new Date(),
  after: (ms, then) => {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};

/** How this very program is run: once it's built, by the executable alone. */
function ownCommandLine(): readonly string[] {
  const isBuilt = typeof __MUSTER_VERSION__ === 'string';
  return isBuilt ? [process.execPath] : [process.execPath, process.argv[1] ?? ''];
}

/** Standard input and output where both are terminals. Node gives them back as it found them, however the process ends. */
function keyTerminal(): KeyTerminal | undefined {
  const { stdin, stdout, env } = process;
  if (!stdin.isTTY || !stdout.isTTY) return undefined;
  return {
    setRaw: (isRaw) => {
      stdin.setRawMode(isRaw);
    },
    type: env['TERM'] ?? 'xterm',
    onResize: (listener) => {
      stdout.on('resize', listener);
      return () => stdout.off('resize', listener);
    },
  };
}

/** A stream is opened when it is first used: a command that needs one of three starts sooner. */
function makeOutput(open: () => NodeJS.WriteStream, onError: (error: NodeJS.ErrnoException) => void): Output {
  let opened: NodeJS.WriteStream | undefined;
  const stream = () => {
    opened ??= open().on('error', onError);
    return opened;
  };
  return {
    write: (text) => {
      stream().write(text);
    },
    drained: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      stream().write('', () => resolve());
      await promise;
    },
    get isTTY() {
      return stream().isTTY === true;
    },
    get columns() {
      return sizeOf(stream(), 'columns');
    },
    get rows() {
      return sizeOf(stream(), 'rows');
    },
  };
}

/** Undefined off a terminal, and where a terminal doesn't know: a serial console and some pseudo-terminals say 0. */
function sizeOf(stream: NodeJS.WriteStream, side: 'columns' | 'rows'): number | undefined {
  return stream.isTTY && stream[side] > 0 ? stream[side] : undefined;
}

function tryWrite(fd: 1 | 2, text: string): boolean {
  try {
    writeSync(fd, text);
    return true;
  } catch {
    return false;
  }
}

const isVersionAsked = process.argv.length === 3 && /^(version|--version|-V)$/.test(process.argv[2] ?? '');
// What scripts ask most often is answered before anything is loaded.
if (!isVersionAsked || !tryWrite(1, `muster ${version.version} (${version.commit})\n`)) {
  const program = new Program();
  program.run(isVersionAsked ? ['version'] : process.argv.slice(2)).catch((error) => program.exitOnDefect(error));
}
