import { writeSync } from 'node:fs';
import type { Output, Terminal } from './cli/context.ts';

/** Set when the executable is built. */
declare const __MUSTER_VERSION__: string | undefined;
declare const __MUSTER_COMMIT__: string | undefined;

const version = {
  version: typeof __MUSTER_VERSION__ === 'string' ? __MUSTER_VERSION__ : 'dev',
  commit: typeof __MUSTER_COMMIT__ === 'string' ? __MUSTER_COMMIT__ : 'source',
};

/** How long the process may take to end once it was told to: an agent leaves a machine that shuts down in up to 30 s. */
const endWithinMs = { command: 2_000, agent: 40_000 };

const signalNumbers = { SIGINT: 2, SIGTERM: 15 } as const;
const brokenPipe = 128 + 13;

/** Why the command's signal aborted: the exit code says it. */
class Ended extends Error {
  override readonly name = 'Ended';
  readonly exitCode: number;
  constructor(exitCode: number, cause: string) {
    super(`Ended by ${cause}`);
    this.exitCode = exitCode;
  }
}

function makeOutput(stream: NodeJS.WriteStream): Output {
  return {
    write: (text) => {
      stream.write(text);
    },
    isTTY: stream.isTTY === true,
    get columns() {
      return stream.isTTY ? stream.columns : undefined;
    },
    get rows() {
      return stream.isTTY ? stream.rows : undefined;
    },
  };
}

function makeTerminal(): Terminal {
  const { stdout, stderr, stdin, env } = process;
  return {
    stdout: makeOutput(stdout),
    stderr: makeOutput(stderr),
    stdin,
    env,
    version,
    clock: {
      monotonicMs: () => performance.now(),
      wallTime: () => new Date(),
      after: (ms, then) => {
        const timer = setTimeout(then, ms);
        return () => clearTimeout(timer);
      },
    },
    connect: async (target) => (await import('./cli/connection.ts')).connect(target),
    runAgent: async ({ configPath, flags, check }, signal) => {
      isAgent = true;
      const { runAgent } = await import('./agent/run-agent.ts');
      return runAgent({ configPath, flags, check, env, argv: process.argv, pid: process.pid, version }, signal);
    },
  };
}

let isAgent = false;

/** The first SIGINT or SIGTERM, or a closed pipe, aborts; the second, or taking too long, ends the process. */
function abortOnEnd(controller: AbortController): void {
  const end = (exitCode: number, cause: string) => {
    if (controller.signal.aborted) process.exit(exitCode);
    controller.abort(new Ended(exitCode, cause));
    setTimeout(() => process.exit(isAgent ? 1 : exitCode), isAgent ? endWithinMs.agent : endWithinMs.command).unref();
  };
  process.on('SIGINT', () => end(128 + signalNumbers.SIGINT, 'SIGINT'));
  process.on('SIGTERM', () => end(128 + signalNumbers.SIGTERM, 'SIGTERM'));
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') end(brokenPipe, 'a closed pipe');
  });
  process.stderr.on('error', () => {});
}

/** A defect: said with its place where there is somebody to read it (the agent's journal), and the process ends. */
function exitOnDefect(error: unknown): void {
  const debug = isAgent || (process.env['MUSTER_DEBUG'] ?? '') !== '';
  const text = error instanceof Error ? (debug ? (error.stack ?? error.message) : error.message) : String(error);
  writeSync(2, `muster: internal error: ${text}\n`);
  process.exit(1);
}

async function main(): Promise<void> {
  process.on('uncaughtException', exitOnDefect);
  process.on('unhandledRejection', exitOnDefect);
  const controller = new AbortController();
  abortOnEnd(controller);
  const { runCli } = await import('./cli/run-cli.ts');
  try {
    process.exitCode = await runCli(process.argv.slice(2), makeTerminal(), controller.signal);
  } catch (error) {
    if (!(controller.signal.reason instanceof Ended)) throw error;
    process.exitCode = controller.signal.reason.exitCode;
  }
}

// The most usual question of scripts is answered before anything is loaded.
if (process.argv.length === 3 && /^(version|--version|-V)$/.test(process.argv[2] ?? '')) {
  writeSync(1, `muster ${version.version} (${version.commit})\n`);
} else {
  main().catch(exitOnDefect);
}
