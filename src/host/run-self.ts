import { AgentError } from '../domain/errors.ts';
import { assertCanSpawn } from './assert-can-spawn.ts';

/** Runs this very executable for a moment: what it loads for that is given back when it ends. */
export interface Self {
  /**
   * Its standard output. `UNAVAILABLE` with what it said where it failed.
   * @param input its standard input
   */
  run(args: readonly string[], input: string, signal: AbortSignal): Promise<string>;
}

/** Nothing that it's run for takes longer on a machine that works. */
const LIMIT_MS = 30_000;
const OUTPUT_LIMIT_CHARS = 65_536;

/** @param commandLine the executable, and in development the program that it runs */
export function openSelf(commandLine: readonly string[]): Self {
  return {
    run: async (args, input, signal) => {
      const [file = '', ...first] = commandLine;
      const { execa } = await import('execa');
      assertCanSpawn(file);
      const { failed, stdout, stderr } = await execa(file, [...first, ...args], {
        input,
        env: { NO_COLOR: '1' },
        extendEnv: false,
        timeout: LIMIT_MS,
        maxBuffer: OUTPUT_LIMIT_CHARS,
        cancelSignal: signal,
        reject: false,
      });
      signal.throwIfAborted();
      if (!failed) return stdout;
      const said = stderr.replace(/^muster: /, '').slice(0, 1_000);
      throw new AgentError('UNAVAILABLE', `Cannot run "muster ${args.slice(0, 2).join(' ')}": ${said}`);
    },
  };
}
