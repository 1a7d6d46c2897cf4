import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Writable } from 'node:stream';
import { mergeOutputs, writeAll } from '../../src/runtime/exec-streams.ts';
import type { ExecOrder, ExecOutput, ExecSession } from '../../src/runtime/port.ts';
import { openPty } from '../../src/runtime/systemd/pty.ts';

/** Commands of sessions that are open now. */
export interface FakeExecs {
  open: number;
  /** What was read of their output. */
  bytes: number;
}

/** Runs the command as a process of this machine: no fake of a shell or a terminal is as good as one. */
export async function execHere(order: ExecOrder, execs: FakeExecs = { open: 0, bytes: 0 }): Promise<ExecSession> {
  const { terminal } = order;
  const pty = terminal === undefined ? undefined : await openPty(terminal);
  const [file = '', ...args] = pty === undefined ? order.command : ['setsid', '--ctty', ...order.command];
  const stdin = order.input ? 'pipe' : 'ignore';
  const child = spawn(file, args, {
    stdio: pty === undefined ? [stdin, 'pipe', 'pipe'] : [pty.slave, pty.slave, pty.slave],
    detached: pty === undefined, // a group of its own, to be ended as one; setsid makes one too
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
    output: counted(mergeOutputs(pty === undefined ? piped : { stdout: pty.master }), execs),
    write: async (data) => (input === null || input === undefined ? undefined : writeAll(input as Writable, data)),
    endInput: () => {
      if (pty === undefined) child.stdin?.end();
    },
    resize: async (size) => pty?.resize(size),
    exitCode: () => ended,
    close: async () => {
      pty?.master.destroy();
      killGroup(child.pid);
      await ended;
    },
  };
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}

async function* counted(output: AsyncIterable<ExecOutput>, execs: FakeExecs): AsyncGenerator<ExecOutput> {
  for await (const each of output) {
    execs.bytes += each.data.length;
    yield each;
  }
}
