import { readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { AgentError } from '../../domain/errors.ts';
import { assertCanSpawn } from '../../host/assert-can-spawn.ts';
import type { Clock } from '../../loop/clock.ts';
import { mergeOutputs, writeAll } from '../exec-streams.ts';
import type { ExecOrder, ExecOutput, ExecSession, TerminalSize } from '../port.ts';
import { demuxOutput } from './demux-output.ts';
import type { Engine, EngineReply } from './engine.ts';

/** What a command in a container needs. */
export interface ExecParts {
  readonly engine: Engine;
  readonly clock: Clock;
  /** Prefixed to paths, and to commands: where Docker is another machine's. */
  readonly root: string;
  readonly enter: readonly string[];
}

/** Docker tells a command's end a moment after its output's. */
const END_POLL_MS = 20;
const END_LIMIT_MS = 5_000;
const FIRST_SIZE_LIMIT_MS = 1_000;
const PID_LIMIT_MS = 2_000;
/** What a command that is ended has to end by itself. */
const GRACE_MS = 2_000;

interface Inspected {
  readonly Running?: boolean;
  readonly ExitCode?: number | null;
  readonly Pid?: number;
}

/** Runs a command in a container that runs, by the Engine's exec. */
export async function execInContainer(
  parts: ExecParts,
  container: { readonly id: string; readonly name: string },
  order: ExecOrder,
  signal: AbortSignal,
): Promise<ExecSession> {
  const { engine } = parts;
  const { terminal } = order;
  const created = await engine.call(
    { method: 'POST', path: `/containers/${container.id}/exec`, body: execBody(order) },
    signal,
  );
  if (created.status !== 201) throw refused(container.name, created);
  const { Id: id } = created.body as { readonly Id: string };
  const start = {
    method: 'POST',
    path: `/exec/${id}/start`,
    body: { Detach: false, Tty: terminal !== undefined },
  } as const;
  const opened = await engine.hijack(start, signal);
  if ('status' in opened) throw refused(container.name, opened);
  const session = new DockerExec(
    parts,
    { id, container: container.id, isTerminal: terminal !== undefined },
    opened.socket,
  );
  if (terminal !== undefined) await session.resizeFirst(terminal);
  return session;
}

/** Older daemons don't know of the size here, and are told it once the command has begun. */
function terminalFields({ terminal }: ExecOrder): object {
  return terminal === undefined ? { Tty: false } : { Tty: true, ConsoleSize: [terminal.rows, terminal.columns] };
}

function execBody(order: ExecOrder): object {
  const { command, terminal, input } = order;
  return {
    AttachStdin: input,
    AttachStdout: true,
    AttachStderr: true,
    ...terminalFields(order),
    Cmd: command,
    ...(terminal === undefined ? {} : { Env: [`TERM=${terminal.type}`] }),
  };
}

function refused(name: string, { status, message }: EngineReply): AgentError {
  const code = status === 404 ? 'NOT_FOUND' : status === 409 ? 'CONFLICT' : 'INTERNAL';
  return new AgentError(code, `Cannot run a command in container "${name}": ${message}`);
}

class DockerExec implements ExecSession {
  readonly #parts: ExecParts;
  readonly #ids: { readonly id: string; readonly container: string; readonly isTerminal: boolean };
  readonly #socket: Duplex;
  readonly output: AsyncIterable<ExecOutput>;

  constructor(parts: ExecParts, ids: { id: string; container: string; isTerminal: boolean }, socket: Duplex) {
    this.#parts = parts;
    this.#ids = ids;
    this.#socket = socket;
    socket.on('error', () => {}); // told to whoever reads
    this.output = this.#read();
  }

  async *#read(): AsyncGenerator<ExecOutput> {
    try {
      if (this.#ids.isTerminal) yield* mergeOutputs({ stdout: this.#socket });
      else yield* demuxOutput(this.#socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>);
    } catch (cause) {
      if (cause instanceof AgentError) throw cause;
      const message = "Cannot read the command's output to its end: expected the daemon to last";
      throw new AgentError('UNAVAILABLE', message, { cause });
    }
  }

  async write(data: Uint8Array): Promise<void> {
    await writeAll(this.#socket, data);
  }

  endInput(): void {
    this.#socket.end();
  }

  async resize({ columns, rows }: TerminalSize): Promise<void> {
    await this.#resize(columns, rows);
  }

  /** The connection is there before the command is; until then it has no terminal whose size could be set. */
  async resizeFirst({ columns, rows }: TerminalSize): Promise<void> {
    const { clock } = this.#parts;
    const untilMs = clock.monotonicMs() + FIRST_SIZE_LIMIT_MS;
    while ((await this.#resize(columns, rows)) >= 300 && clock.monotonicMs() < untilMs) {
      if ((await this.#inspect()).Running !== true) return;
      await clock.sleep(END_POLL_MS, new AbortController().signal);
    }
  }

  async #resize(columns: number, rows: number): Promise<number> {
    const call = { method: 'POST', path: `/exec/${this.#ids.id}/resize`, query: { h: rows, w: columns } } as const;
    return (await this.#parts.engine.call(call, new AbortController().signal)).status;
  }

  async exitCode(): Promise<number> {
    const { clock } = this.#parts;
    const { signal } = new AbortController();
    const untilMs = clock.monotonicMs() + END_LIMIT_MS;
    for (;;) {
      const { Running: isRunning, ExitCode: code } = await this.#inspect();
      if (isRunning !== true && typeof code === 'number') return code;
      if (clock.monotonicMs() >= untilMs) {
        throw new AgentError('INTERNAL', 'Cannot tell how the command ended: its output has, and Docker says it runs');
      }
      await clock.sleep(END_POLL_MS, signal);
    }
  }

  async #inspect(): Promise<Inspected> {
    const call = { method: 'GET', path: `/exec/${this.#ids.id}/json` } as const;
    const { status, body, message } = await this.#parts.engine.call(call, new AbortController().signal);
    if (status !== 200) throw new AgentError('INTERNAL', `Cannot tell how the command ended: ${message}`);
    return body as Inspected;
  }

  /**
   * Docker itself never ends a command whose client has gone: it would run for as long as its container. Once the client has gone it
   * doesn't say any more either whether the command runs.
   */
  async close(): Promise<void> {
    const { clock, enter } = this.#parts;
    const { signal } = new AbortController();
    const pid = await this.#findPid().catch(() => 0);
    this.#socket.destroy();
    const isThere = async () => pid > 1 && this.#isInContainer(pid);
    const untilMs = clock.monotonicMs() + GRACE_MS;
    for (const name of ['HUP', 'TERM'])
      if (await isThere()) await sendSignal([...enter, 'kill', '-s', name, String(pid)]);
    while (await isThere()) {
      if (clock.monotonicMs() >= untilMs) await sendSignal([...enter, 'kill', '-s', 'KILL', String(pid)]);
      if (clock.monotonicMs() >= untilMs + GRACE_MS) return;
      await clock.sleep(END_POLL_MS, signal);
    }
  }

  /** 0 where it doesn't run. A command may have said something before dockerd knows its PID: it runs as 0 until then. */
  async #findPid(): Promise<number> {
    const { clock } = this.#parts;
    const untilMs = clock.monotonicMs() + PID_LIMIT_MS;
    for (;;) {
      const { Running: isRunning, Pid: pid = 0 } = await this.#inspect();
      if (isRunning !== true || pid > 1 || clock.monotonicMs() >= untilMs) return isRunning === true ? pid : 0;
      await clock.sleep(END_POLL_MS, new AbortController().signal);
    }
  }

  /** The PID may be another's by now, or of another machine's daemon. */
  async #isInContainer(pid: number): Promise<boolean> {
    const groups = await readFile(`${this.#parts.root}/proc/${pid}/cgroup`, 'utf8').catch(() => '');
    return groups.includes(this.#ids.container);
  }
}

/** To a process of this machine; that there is none is no failure. */
async function sendSignal([file = '', ...args]: readonly string[]): Promise<void> {
  assertCanSpawn(file);
  const { execa } = await import('execa'); // heavy, and most agents never run a command
  await execa(file, args, { stdio: 'ignore', reject: false });
}
