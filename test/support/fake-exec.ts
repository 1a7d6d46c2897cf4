import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Writable } from 'node:stream';
import { mergeOutputs, writeAll } from '../../src/runtime/exec-streams.ts';
import type { ExecOrder, ExecSession } from '../../src/runtime/port.ts';
import { openPty } from '../../src/runtime/systemd/pty.ts';

/** Commands of sessions that are open now. */
export interface FakeExecs {
  open: number;
}

/** Runs the command as a process of this machine: no fake of a shell or a terminal is as good as one. */
export async function execHere(order: ExecOrder, execs: FakeExecs = { open: 0 }): Promise<ExecSession> {
  const { terminal } = order;
  const pty = terminal === undefined ? undefined : await openPty(terminal);
  const [file = '', ...args] = pty === undefined ? order.command : ['setsid', '--ctty', ...order.command];
  const stdin = order.input ? 'pipe' : 'ignore';
  const child = spawn(file, args, {
    stdio: pty === undefined ? [stdin, 'pipe', 'pipe'] : [pty.slave, pty.slave, pty.slave],
    env: { ...process.env, ...(terminal === undefined ? {} : { TERM: terminal.type }) },
  });
  pty?.closeSlave();
  execs.open += 1;
  const ended = new Promise<number>((resolve) => {
    child.once('error', () => resolve(127));
    child.once('close', (code, signal) => {
      execs.open -= 1;
      resolve(code !== null && code >= 0 ? code : signal === null ? 127 : 128 + constants.signals[signal]);
    });
  });
  const input = pty?.master ?? child.stdin;
  input?.on('error', () => {});
  const { stdout, stderr } = child;
  const piped = { ...(stdout === null ? {} : { stdout }), ...(stderr === null ? {} : { stderr }) };
  return {
    output: mergeOutputs(pty === undefined ? piped : { stdout: pty.master }),
    write: async (data) => (input === null || input === undefined ? undefined : writeAll(input as Writable, data)),
    endInput: () => {
      if (pty === undefined) child.stdin?.end();
    },
    resize: async (size) => pty?.resize(size),
    exitCode: () => ended,
    close: async () => {
      pty?.master.destroy();
      child.kill('SIGKILL');
      await ended;
    },
  };
}
