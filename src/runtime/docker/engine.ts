import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { Agent, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { inspect } from 'node:util';
import Docker from 'dockerode';
import { AgentError } from '../../domain/errors.ts';
import type { Clock } from '../../loop/clock.ts';
import { type ApiVersion, negotiateApiVersion } from './api-version.ts';

/** One request to the Engine API; `path` without the version. */
export interface EngineCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  readonly body?: object;
  /** The value of X-Registry-Auth. */
  readonly registryAuth?: string;
  /** After this long without the whole answer (of a stream: without its head) the call is given up: `UNAVAILABLE`. */
  readonly limitMs?: number;
}

/** What the daemon answered, whatever its status; `message` is its own word on a failure. */
export interface EngineReply {
  readonly status: number;
  readonly body: unknown;
  readonly message: string;
}

/** Docker's Engine API. Every call settles: by answer, by its own time limit, by the signal, or by a broken connection. */
export interface Engine {
  call(call: EngineCall, signal: AbortSignal): Promise<EngineReply>;
  /** Gives the body as it comes when the status is 200, else the reply. Abandoning the iteration closes the connection. */
  stream(call: EngineCall, signal: AbortSignal): Promise<EngineReply | { readonly chunks: AsyncIterable<Buffer> }>;
  /** Sends a call whose answer is a connection, open in both directions, which is the caller's from then on; or the reply. */
  hijack(call: EngineCall, signal: AbortSignal): Promise<EngineReply | { readonly socket: Duplex }>;
  /** What the daemon says of itself. */
  version(signal: AbortSignal): Promise<string>;
  /** True for the failure of a call on a machine where no daemon has been seen since its boot: its socket doesn't exist. */
  isAbsent(error: unknown): boolean;
  close(): void;
}

export interface EngineOptions {
  readonly socketPath: string;
  readonly clock: Clock;
  /** Time limit of a call that sets none. */
  readonly limitMs: number;
  /** A file that says, from one process to the next until the machine boots, that a daemon was seen; absent: none says so. */
  readonly seenPath?: string | undefined;
}

/** The part of dockerode's transport that is used: it writes the request, we read the answer. */
interface Modem {
  dial(options: object, done: (error: (Error & { code?: string }) | null, reply: IncomingMessage) => void): void;
}

/** dockerode describes each request in full for its debug log, also when that is off: with an agent's sockets that is 5 ms. */
class BriefAgent extends Agent {
  [inspect.custom](): string {
    return 'Agent';
  }
}

const everyStatus = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [100 + index, true]));

/** Makes the guarded connection; nothing is sent before the first call. */
export function openEngine(options: EngineOptions): Engine {
  return new GuardedEngine(options);
}

class GuardedEngine implements Engine {
  readonly #options: EngineOptions;
  /** No connection outlives its call: a restarted daemon leaves no dead one behind. */
  readonly #agent = new BriefAgent({ keepAlive: false, ...{ servername: '' } }); // there is no TLS: Node needs not derive one
  readonly #modem: Modem;
  #api: ApiVersion | undefined;
  #seen = false;
  #isNoted = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    // Host and protocol are set, else the process's DOCKER_HOST would win over the socket.
    const transport = { socketPath: options.socketPath, host: '', protocol: 'http', agent: this.#agent } as const;
    const docker = new Docker(transport);
    this.#modem = docker.modem as Modem;
  }

  async call(call: EngineCall, signal: AbortSignal): Promise<EngineReply> {
    return this.#guard(call, signal, async (abort) => readReply(await this.#send(call, abort)));
  }

  async stream(
    call: EngineCall,
    signal: AbortSignal,
  ): Promise<EngineReply | { readonly chunks: AsyncIterable<Buffer> }> {
    return this.#guard(call, signal, async (abort) => {
      const reply = await this.#send(call, abort);
      if (reply.statusCode !== 200) return readReply(reply);
      return { chunks: this.#chunks(reply, call, signal) };
    });
  }

  async hijack(call: EngineCall, signal: AbortSignal): Promise<EngineReply | { readonly socket: Duplex }> {
    return this.#guard(call, signal, async (abort) => {
      const reply: IncomingMessage | Duplex = await this.#send(call, abort, true);
      return isReply(reply) ? readReply(reply) : { socket: reply };
    });
  }

  async version(signal: AbortSignal): Promise<string> {
    return this.#guard({ method: 'GET', path: '/version' }, signal, async (abort) => {
      this.#api = await this.#negotiate(abort);
      return this.#api.engine;
    });
  }

  isAbsent(error: unknown): boolean {
    if (this.#seen || !(error instanceof AgentError)) return false;
    if ((error.cause as { code?: string } | undefined)?.code !== 'ENOENT') return false;
    const { seenPath } = this.#options;
    return seenPath === undefined || !existsSync(seenPath);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #send(call: EngineCall, abort: AbortSignal, hijack = false): Promise<IncomingMessage> {
    this.#api ??= await this.#negotiate(abort);
    return this.#dial(call, `/v${this.#api.api}${call.path}`, abort, hijack);
  }

  async #negotiate(abort: AbortSignal): Promise<ApiVersion> {
    const reply = await readReply(await this.#dial({ method: 'GET', path: '/version' }, '/version', abort));
    return negotiateApiVersion(reply.body);
  }

  #dial(call: EngineCall, path: string, abort: AbortSignal, hijack = false): Promise<IncomingMessage> {
    const request = {
      method: call.method,
      path: call.query === undefined ? path : `${path}?`,
      options: { _query: call.query ?? {}, _body: call.body ?? {} },
      isStream: true, // the body is ours to read: dockerode's own reading never settles when it is cut off
      statusCodes: everyStatus,
      hijack,
      abortSignal: abort,
      ...(call.registryAuth !== undefined && { authconfig: { base64: call.registryAuth } }),
    };
    return new Promise((resolve, reject) => {
      this.#modem.dial(request, (error, reply) => {
        if (error) {
          reject(error);
          return;
        }
        this.#noteSeen();
        reply.on('error', () => {}); // reported to whoever reads; without a reader it must not end the process
        if (abort.aborted) reply.destroy();
        resolve(reply);
      });
    });
  }

  #noteSeen(): void {
    const { seenPath } = this.#options;
    this.#seen = true;
    if (this.#isNoted || seenPath === undefined) return;
    this.#isNoted = true;
    writeFile(seenPath, '').catch(() => {
      this.#isNoted = false; // a full /run: the next answer tries again
    });
  }

  /** Settles with the work, the limit or the signal, whichever is first; the connection is closed on the latter two. */
  #guard<T>(call: EngineCall, signal: AbortSignal, work: (abort: AbortSignal) => Promise<T>): Promise<T> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    const limitMs = call.limitMs ?? this.#options.limitMs;
    return new Promise((resolve, reject) => {
      const abort = new AbortController();
      const giveUp = (error: Error) => {
        settle();
        abort.abort(error);
        reject(error);
      };
      const onAbort = () => giveUp(signal.reason as Error);
      const cancel = this.#options.clock.after(limitMs, () => giveUp(this.#tooSlow(call, limitMs)));
      const settle = () => {
        cancel();
        signal.removeEventListener('abort', onAbort);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      work(abort.signal).then(
        (value) => {
          settle();
          resolve(value);
        },
        (error: unknown) => {
          settle();
          reject(abort.signal.aborted ? (abort.signal.reason as Error) : this.#asFailure(call, error));
        },
      );
    });
  }

  async *#chunks(
    reply: IncomingMessage,
    call: EngineCall,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer, void, undefined> {
    const onAbort = () => reply.destroy(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      for await (const chunk of reply) yield chunk as Buffer;
    } catch (error) {
      signal.throwIfAborted();
      throw this.#asFailure(call, error);
    } finally {
      signal.removeEventListener('abort', onAbort);
      reply.destroy();
    }
  }

  #tooSlow(call: EngineCall, limitMs: number): AgentError {
    this.#api = undefined;
    return new AgentError('UNAVAILABLE', `Cannot ${describe(call)}: expected an answer within ${limitMs} ms`);
  }

  #asFailure(call: EngineCall, cause: unknown): Error {
    if (cause instanceof AgentError) return cause;
    this.#api = undefined; // the daemon may come back as another version
    const message = `Cannot ${describe(call)}: expected the daemon to answer at ${this.#options.socketPath}`;
    return new AgentError('UNAVAILABLE', message, { cause });
  }
}

function isReply(reply: IncomingMessage | Duplex): reply is IncomingMessage {
  return 'statusCode' in reply;
}

function describe(call: EngineCall): string {
  return `ask Docker for "${call.method} ${call.path}"`;
}

async function readReply(reply: IncomingMessage): Promise<EngineReply> {
  const chunks: Buffer[] = [];
  for await (const chunk of reply) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const body = parseBody(text);
  const said = (body as { message?: unknown } | undefined)?.message;
  const message = typeof said === 'string' ? said : text.trim().slice(0, 500);
  return { status: reply.statusCode ?? 0, body, message };
}

function parseBody(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
