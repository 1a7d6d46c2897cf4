import type { WebSocket } from 'ws';
import { AgentError } from '../domain/errors.ts';
import type { InstanceKey } from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import { runtimeOf } from '../domain/runtime-of.ts';
import type { ExecOutput, ExecSession } from '../runtime/port.ts';
import { EXEC_PIECE_BYTES, type ExecStart, execStreams, parseExecRequest } from '../wire/exec-frames.ts';
import type { ApiDeps } from './api-deps.ts';
import { type ExecMessage, type Inbox, send, sendBytes } from './exec-messages.ts';

/** The client's end of a command. */
export interface ExecClient {
  readonly client: WebSocket;
  readonly inbox: Inbox;
}

/** Runs a command beside an instance of this node, for as long as the client is there; returns its exit code, which the client knows. */
export async function runExec(
  deps: ApiDeps,
  key: InstanceKey,
  start: ExecStart,
  { client, inbox }: ExecClient,
  signal: AbortSignal,
): Promise<number> {
  const runtime = deps.runtimes.find(({ kind }) => kind === runtimeOf(key));
  if (runtime?.exec === undefined) {
    const message = `Cannot run a command in "${displayName(key)}": this node has no ${runtimeOf(key)}`;
    throw new AgentError('UNAVAILABLE', message);
  }
  const session = await runtime.exec(key, start, signal);
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => {}); // told below, while somebody waits
  const onAbort = () => broken.reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    send(client, { started: true });
    inbox.handle(async (message) => take(session, message), broken.reject);
    const code = await Promise.race([toItsEnd(session, client), broken.promise]);
    send(client, { exit: { code } });
    return code;
  } finally {
    signal.removeEventListener('abort', onAbort);
    await session.close();
  }
}

async function take(session: ExecSession, message: ExecMessage): Promise<void> {
  if ('data' in message) {
    await session.write(message.data);
    return;
  }
  const request = parseExecRequest(message.text);
  if ('resize' in request) await session.resize(request.resize);
  else if ('end' in request) session.endInput();
  else throw new AgentError('INVALID_INPUT', 'Cannot run a second command: expected another connection for it');
}

async function toItsEnd(session: ExecSession, client: WebSocket): Promise<number> {
  for await (const output of session.output) for (const piece of pieces(output)) await sendBytes(client, piece);
  return session.exitCode();
}

function* pieces({ stream, data }: ExecOutput): Generator<Buffer> {
  const head = Buffer.from([execStreams[stream]]);
  for (let at = 0; at < data.length; at += EXEC_PIECE_BYTES)
    yield Buffer.concat([head, data.subarray(at, at + EXEC_PIECE_BYTES)]);
}
