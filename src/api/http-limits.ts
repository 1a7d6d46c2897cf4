import { type Server, type ServerOptions, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { AgentError } from '../domain/errors.ts';
import { makeProblem } from './problem-response.ts';
import { Refusal } from './refusal.ts';

/** How long a client may take, and how much it may say before it's known what it wants. */
export const httpLimits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 30_000,
  maxHeaderSize: 16_384,
  keepAlive: true,
  keepAliveInitialDelay: 30_000,
} as const satisfies ServerOptions;

/** A client that takes nothing of its answer for so long is gone. */
const STALLED_MS = 300_000;

/** Has the server tell clients what it can't understand of them, and drop those that stand still. */
export function guardServer(server: Server, stalledMs = STALLED_MS): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseUnread(error, socket as Socket));
  server.setTimeout(stalledMs, (socket: Socket) => {
    // What has begun and waits for nobody is a stream with nothing to tell just now.
    if (socket.writableLength > 0 || underWay(socket) === undefined) socket.destroy();
  });
}

/** What can't be read as HTTP is answered all the same, where the client can still hear. */
function refuseUnread(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET' || underWay(socket)?.headersSent === true) {
    socket.destroy();
    return;
  }
  const problem = makeProblem(refusalOf(error.code), 'none');
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroySoon();
}

/** The answer that a connection is busy with. Node has no other name for it. */
function underWay(socket: Socket): ServerResponse | undefined {
  return (socket as { readonly _httpMessage?: ServerResponse | null })._httpMessage ?? undefined;
}

function refusalOf(code: string | undefined): Error {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new Refusal(431, `Cannot read the request's headers: expected at most ${httpLimits.maxHeaderSize} bytes`);
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new Refusal(
      408,
      `Cannot wait any longer for the request: expected it within ${httpLimits.requestTimeout} ms`,
    );
  return new AgentError('INVALID_INPUT', 'Cannot understand the request: expected HTTP/1.1');
}
