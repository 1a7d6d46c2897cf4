import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { type RawData, WebSocket } from 'ws';
import { AgentError } from '../domain/errors.ts';
import {
  EXEC_MESSAGE_LIMIT_BYTES,
  EXEC_PIECE_BYTES,
  EXEC_PROTOCOL,
  type ExecRequest,
  type ExecSize,
  type ExecStart,
  execStreams,
  parseObject,
} from './exec-frames.ts';
import { parseProblem } from './problem.ts';
import { type ClientTarget, targetName, tlsOptions, translateFailure } from './target.ts';

/** A command that runs somewhere in the cluster. */
export interface ExecChannel {
  /** What it writes, until it has ended; to be read once, at the reader's pace. Rejects where that can't be known. */
  readonly output: AsyncIterable<{ readonly stream: 'stdout' | 'stderr'; readonly data: Buffer }>;
  /** Known once the output has ended. */
  readonly exitCode: () => number;
  /** Resolves once it's on its way: the command sets the pace. */
  write(data: Uint8Array): Promise<void>;
  endInput(): void;
  resize(size: ExecSize): void;
  /** False when nothing was heard of the agent since this was last asked: it says every {@link EXEC_SIGN_MS} that it's there. */
  wasHeard(): boolean;
  /** Hangs up; the command ends with that. */
  close(): void;
}

/** Where a command is asked for. */
export interface ExecTarget {
  readonly target: ClientTarget;
  readonly path: string;
  /** How long the command may take to begin. */
  readonly timeoutMs: number;
}

/** A refusal isn't longer. */
const PROBLEM_LIMIT_BYTES = 65_536;

/** Has a command run; resolves once it does. */
export async function openExec(asked: ExecTarget, start: ExecStart, signal: AbortSignal): Promise<ExecChannel> {
  signal.throwIfAborted();
  const channel = new SocketChannel(open(asked), asked, signal);
  try {
    await channel.begin(start);
    return channel;
  } catch (error) {
    channel.close();
    throw error;
  }
}

function open({ target, path, timeoutMs }: ExecTarget): WebSocket {
  const limits = { handshakeTimeout: timeoutMs, maxPayload: EXEC_MESSAGE_LIMIT_BYTES };
  const options = { ...limits, perMessageDeflate: false, headers: { host: 'muster' } };
  if (!('url' in target)) {
    const createConnection = () => connect(target.socketPath);
    return new WebSocket(`ws://muster${path}`, [EXEC_PROTOCOL], { ...options, createConnection });
  }
  const { host: _, ...tls } = tlsOptions(target);
  const checkServerIdentity = tls.checkServerIdentity as never; // its type wants a boolean; it's Node's own option
  const url = `wss${target.url.slice('https'.length)}${path}`;
  return new WebSocket(url, [EXEC_PROTOCOL], { ...tls, ...options, checkServerIdentity });
}

type Output = { readonly stream: 'stdout' | 'stderr'; readonly data: Buffer };

class SocketChannel implements ExecChannel {
  readonly output: AsyncIterable<Output>;
  readonly #socket: WebSocket;
  readonly #asked: ExecTarget;
  readonly #signal: AbortSignal;
  readonly #started = Promise.withResolvers<void>();
  #held: Output[] = [];
  #code: number | undefined;
  #end: { readonly error?: unknown } | undefined;
  #wake = () => {};
  #heard = true;
  #isOpen = false;

  constructor(socket: WebSocket, asked: ExecTarget, signal: AbortSignal) {
    this.#socket = socket;
    this.#asked = asked;
    this.#signal = signal;
    this.output = this.#read();
    this.#started.promise.catch(() => {}); // told by begin(), or by the output
    const onAbort = () => this.#finish({ error: signal.reason });
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('message', (data, isBinary) => this.#take(data, isBinary));
    socket.on('ping', () => {
      this.#heard = true;
    });
    socket.on('error', (error) => this.#finish({ error: translateFailure(error, asked.target, signal) }));
    socket.on('unexpected-response', (_request, response) => {
      readProblem(response).then(
        (error) => this.#finish({ error }),
        () => this.#finish(this.#broken()),
      );
    });
    socket.on('close', () => {
      signal.removeEventListener('abort', onAbort);
      this.#finish(this.#broken());
    });
  }

  /** Asks for the command once the connection is open. */
  async begin(start: ExecStart): Promise<void> {
    this.#socket.on('open', () => {
      this.#isOpen = true;
      this.#socket.send(JSON.stringify({ start } satisfies ExecRequest));
    });
    await this.#started.promise;
  }

  exitCode(): number {
    if (this.#code !== undefined) return this.#code;
    throw new AgentError('INTERNAL', 'Cannot tell the exit code: expected the output to have been read to its end');
  }

  async write(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; at += EXEC_PIECE_BYTES) {
      if (this.#socket.readyState !== WebSocket.OPEN) return;
      await new Promise<void>((resolve) => {
        this.#socket.send(data.subarray(at, at + EXEC_PIECE_BYTES), () => resolve());
      });
    }
  }

  endInput(): void {
    this.#say({ end: 'stdin' });
  }

  resize({ columns, rows }: ExecSize): void {
    this.#say({ resize: { columns, rows } });
  }

  wasHeard(): boolean {
    const heard = this.#heard || this.#socket.isPaused;
    this.#heard = false;
    return heard;
  }

  close(): void {
    this.#socket.terminate();
  }

  #say(request: ExecRequest): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(request));
  }

  #take(data: RawData, isBinary: boolean): void {
    this.#heard = true;
    const bytes = Buffer.isBuffer(data) ? data : Buffer.concat(Array.isArray(data) ? data : [Buffer.from(data)]);
    if (isBinary) {
      this.#held.push({ stream: bytes[0] === execStreams.stderr ? 'stderr' : 'stdout', data: bytes.subarray(1) });
      this.#socket.pause();
      this.#wake();
      return;
    }
    const { started, exit, problem } = parseObject(bytes.toString('utf8'));
    if (started === true) this.#started.resolve();
    if (problem !== undefined) this.#finish({ error: parseProblem(problem, 0) });
    if (exit === undefined) return;
    this.#code = Number((exit as { readonly code?: unknown }).code);
    this.#finish({});
  }

  async *#read(): AsyncGenerator<Output> {
    for (;;) {
      const held = this.#held;
      this.#held = [];
      yield* held;
      if (this.#held.length > 0) continue;
      if (this.#end !== undefined) {
        if ('error' in this.#end) throw this.#end.error;
        return;
      }
      const more = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#socket.resume();
      await more;
    }
  }

  #finish(end: { readonly error?: unknown }): void {
    this.#end ??= end;
    if ('error' in this.#end) this.#started.reject(this.#end.error);
    this.#wake();
    if (this.#isOpen) this.#socket.resume(); // else its end would never be seen
    if (this.#signal.aborted) this.#socket.terminate();
  }

  #broken(): { readonly error: unknown } {
    const name = targetName(this.#asked.target);
    return {
      error: new AgentError('UNAVAILABLE', `Cannot tell how the command ended: the connection to ${name} broke`),
    };
  }
}

async function readProblem(response: IncomingMessage): Promise<AgentError> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > PROBLEM_LIMIT_BYTES) break;
    chunks.push(chunk);
  }
  let json: unknown;
  try {
    json = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    json = undefined; // parseProblem says what is wrong
  }
  return parseProblem(json, response.statusCode ?? 0);
}
