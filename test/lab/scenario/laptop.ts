import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';
import { type CommandResult, command } from '../command.ts';
import { builtExecutable } from '../image-layer.ts';
import type { LabNode } from '../lab-node.ts';

/** A certificate with its key and its CA. */
export type Pem = Readonly<Record<'ca' | 'cert' | 'key', string>>;

/** A command that goes on: what it has shown so far, its input, and its end. */
export interface Session {
  readonly shown: () => string;
  readonly type: (keys: string) => void;
  /** As Ctrl-C does where it has no terminal. */
  readonly interrupt: () => void;
  /** Its exit code. */
  readonly ended: Promise<number>;
}

/** A machine that is no node: this one, with the executable and a folder for its contexts. */
export class Laptop implements AsyncDisposable {
  readonly #folder: string;
  readonly #sessions = new Set<ChildProcess>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(): Promise<Laptop> {
    return new Laptop(await mkdtemp(join(tmpdir(), 'muster-laptop-')));
  }

  async muster(args: readonly string[], input?: string): Promise<CommandResult> {
    const options = { env: this.#env, reject: false, timeoutMs: 60_000 };
    return command([this.#executable, ...args], input === undefined ? options : { ...options, input });
  }

  /** Runs a command that does what it's told, and returns what it says. */
  async mustSay(args: readonly string[], says: RegExp, input?: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.muster(args, input);
    assert.equal(exitCode, 0, `${args.join(' ')}: ${stderr}`);
    assert.match(stdout, says, args.join(' '));
    return stdout;
  }

  /** Adds a context for a node, with the files of a certificate, and uses it. */
  async use(name: string, node: LabNode, pem: Pem): Promise<void> {
    const files: string[] = [];
    for (const kind of ['ca', 'cert', 'key'] as const) {
      const path = join(this.#folder, `${name}-${kind}.pem`);
      await writeFile(path, pem[kind], { mode: 0o600 });
      files.push(`--${kind}`, path);
    }
    const endpoint = `https://${node.address}:2773`;
    const added = await this.muster(['context', 'add', name, '--endpoint', endpoint, ...files, '--use', '--force']);
    assert.equal(added.exitCode, 0, added.stderr);
  }

  /** A command whose output is a pipe. */
  follow(...args: readonly string[]): Session {
    return this.#begin([this.#executable, ...args]);
  }

  /** A command in a pseudo-terminal of 80 by 24, which script(1) of util-linux makes. */
  inTerminal(...args: readonly string[]): Session {
    const words = [this.#executable, ...args].map((word) => `'${word}'`);
    return this.#begin(['script', '-qefc', `stty cols 80 rows 24; ${words.join(' ')}`, '/dev/null']);
  }

  /** Waits until a session has shown something. */
  static async see(session: Session, says: RegExp, deadlineMs = 15_000): Promise<void> {
    await eventually(`${says}`, deadlineMs, () => {
      if (says.test(session.shown())) return true;
      throw new Error(session.shown().slice(-2_000));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#sessions) child.kill('SIGKILL'); // its terminal goes with it, and that ends what runs in it
    await rm(this.#folder, { recursive: true });
  }

  get #executable(): string {
    return process.env['MUSTER_LAB_EXECUTABLE'] ?? builtExecutable;
  }

  get #env(): Readonly<Record<string, string>> {
    return { XDG_CONFIG_HOME: this.#folder, NO_COLOR: '1', TERM: 'xterm', PATH: process.env['PATH'] ?? '' };
  }

  #begin([file = '', ...args]: readonly string[]): Session {
    const child = spawn(file, args, { env: this.#env, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#sessions.add(child);
    let text = '';
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
    }
    child.stdin.on('error', () => {}); // what isn't read any more
    const ended = once(child, 'close').then(([code]) => {
      this.#sessions.delete(child);
      return Number(code);
    });
    return {
      shown: () => text,
      type: (keys) => child.stdin.write(keys),
      interrupt: () => child.kill('SIGINT'),
      ended,
    };
  }
}
