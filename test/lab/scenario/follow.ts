import { spawn } from 'node:child_process';
import { command } from '../command.ts';
import type { LabNode } from '../lab-node.ts';

/** A command of muster's that goes on until it's ended. */
export interface Followed {
  /** What it has printed so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Takes in no more of what it prints, and takes it in again. */
  readonly pause: () => void;
  readonly resume: () => void;
  readonly end: () => Promise<void>;
}

/** What a command prints on a node until it is ended. */
export function follow(node: LabNode, args: readonly string[]): Followed {
  const [file = '', ...argv] = node.commandLine(['muster', ...args]);
  const child = spawn(file, argv, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], NO_COLOR: '1' },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return {
    stdout: () => stdout,
    stderr: () => stderr,
    pause: () => child.stdout.pause(),
    resume: () => child.stdout.resume(),
    end: async () => {
      child.kill('SIGKILL');
      // It's the one that entered the machine; what it began there is ended by its words.
      await command(node.commandLine(['pkill', '-f', ['muster', ...args].join(' ')]), { reject: false });
    },
  };
}
