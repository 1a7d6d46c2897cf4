import type { RawData, WebSocket } from 'ws';
import { AgentError } from '../domain/errors.ts';
import { type ExecReply, type ExecStart, parseExecRequest } from '../wire/exec-frames.ts';
import type { ApiDeps } from './api-deps.ts';

/** The client says at once what it wants. */
const START_LIMIT_MS = 10_000;

/** A message from the client: data, or JSON. */
export type ExecMessage = { readonly data: Buffer } | { readonly text: string };

/** What the client sends, one after the other: while one is dealt with, no other is read from its connection. */
export class Inbox {
  readonly #client: WebSocket;
  #handle: ((message: ExecMessage) => Promise<void>) | undefined;
  #waiting: ExecMessage[] = [];
  #isBusy = false;
  #onFailure: (error: unknown) => void = () => {};

  constructor(client: WebSocket) {
    this.#client = client;
    client.on('message', (data: RawData, isBinary: boolean) => {
      const bytes = bytesOf(data);
      this.#waiting.push(isBinary ? { data: bytes } : { text: bytes.toString('utf8') });
      this.#client.pause();
      this.#work();
    });
  }

  /** The first message. */
  async start({ clock }: ApiDeps, signal: AbortSignal): Promise<ExecStart> {
    const first = Promise.withResolvers<ExecMessage>();
    const cancel = clock.after(START_LIMIT_MS, () =>
      first.reject(
        new AgentError('INVALID_INPUT', `Cannot wait for a command: expected it within ${START_LIMIT_MS} ms`),
      ),
    );
    const onAbort = () => first.reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#handle = async (message) => {
      this.#handle = undefined; // the others wait
      first.resolve(message);
    };
    this.#work();
    try {
      const message = await first.promise;
      const request = 'text' in message ? parseExecRequest(message.text) : undefined;
      if (request !== undefined && 'start' in request) return request.start;
      throw new AgentError('INVALID_INPUT', 'Cannot run a command: expected the first message to say which');
    } finally {
      cancel();
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Has every further message handled; a handler that fails ends that, and `onFailure` is told. */
  handle(handle: (message: ExecMessage) => Promise<void>, onFailure: (error: unknown) => void): void {
    this.#handle = handle;
    this.#onFailure = onFailure;
    this.#work();
  }

  #work(): void {
    const message = this.#handle === undefined || this.#isBusy ? undefined : this.#waiting.shift();
    if (message === undefined) {
      if (!this.#isBusy && this.#waiting.length === 0) this.#client.resume();
      return;
    }
    this.#isBusy = true;
    this.#handle?.(message).then(
      () => {
        this.#isBusy = false;
        this.#work();
      },
      (error: unknown) => {
        this.#handle = undefined;
        this.#onFailure(error);
      },
    );
  }
}

/** Says something to the client; whether it still hears doesn't matter. */
export function send(client: WebSocket, reply: ExecReply): void {
  if (client.readyState === client.OPEN) client.send(JSON.stringify(reply));
}

/** Resolves once the connection has taken it: a client that reads slowly slows the command down. */
export async function sendBytes(client: WebSocket, bytes: Buffer | string): Promise<void> {
  if (client.readyState !== client.OPEN) return;
  await new Promise<void>((resolve) => {
    client.send(bytes, () => resolve()); // a failure ends the connection, and that is told
  });
}

/** A message's bytes, however the library gives them. */
export function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
