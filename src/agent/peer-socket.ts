import type { IncomingMessage } from 'node:http';
import type { PeerSocket } from '../api/peers.ts';
import type { AgentError } from '../domain/errors.ts';
import { EXEC_MESSAGE_LIMIT_BYTES } from '../wire/exec-frames.ts';
import { parseProblem } from '../wire/problem.ts';
import { type TlsTarget, tlsOptions } from '../wire/target.ts';

export interface PeerSocketOptions {
  readonly target: TlsTarget;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** How long it may take to open. */
  readonly limitMs: number;
}

/** A refusal isn't longer. */
const PROBLEM_LIMIT_BYTES = 65_536;

/** A WebSocket over mutual TLS, open. Rejects with what the other side says of why it refuses. */
export async function openPeerSocket(options: PeerSocketOptions, signal: AbortSignal): Promise<PeerSocket> {
  const { target, path, headers, limitMs } = options;
  signal.throwIfAborted();
  const { WebSocket } = await import('ws'); // most agents are never asked for it
  const { host: _host, ...connection } = tlsOptions(target);
  const socket = new WebSocket(`wss${target.url.slice('https'.length)}${path}`, {
    ...connection,
    checkServerIdentity: connection.checkServerIdentity as never, // its type wants a boolean; it's Node's own option
    headers: { ...headers, host: 'muster' },
    handshakeTimeout: limitMs,
    perMessageDeflate: false,
    maxPayload: EXEC_MESSAGE_LIMIT_BYTES,
  });
  return new Promise((resolve, reject) => {
    const onAbort = () => socket.terminate();
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('close', () => signal.removeEventListener('abort', onAbort));
    socket.once('open', () => resolve(socket));
    socket.once('unexpected-response', (_request, response) => {
      readProblem(response).then(reject, reject);
      socket.once('error', () => {});
    });
    socket.on('error', reject); // after it has opened, 'close' follows for whoever has it
  });
}

async function readProblem(response: IncomingMessage): Promise<AgentError> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > PROBLEM_LIMIT_BYTES) break;
    chunks.push(chunk);
  }
  try {
    return parseProblem(JSON.parse(Buffer.concat(chunks).toString('utf8')), response.statusCode ?? 0);
  } catch {
    return parseProblem(undefined, response.statusCode ?? 0);
  }
}
