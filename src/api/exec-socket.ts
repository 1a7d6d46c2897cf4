import { once } from 'node:events';
import { type WebSocket, WebSocketServer } from 'ws';
import { AgentError, errorCodeOf } from '../domain/errors.ts';
import { displayName } from '../domain/names.ts';
import { EXEC_MESSAGE_LIMIT_BYTES, EXEC_PROTOCOL, EXEC_SIGN_MS } from '../wire/exec-frames.ts';
import type { ApiDeps } from './api-deps.ts';
import type { Caller } from './caller.ts';
import { Inbox, send } from './exec-messages.ts';
import { findExecPlace } from './exec-place.ts';
import { proxyExec } from './exec-proxy.ts';
import type { ExecRoute, Upgrade } from './exec-routes.ts';
import { runExec } from './exec-session.ts';
import type { OpenRequests } from './open-requests.ts';
import { makeProblem } from './problem-response.ts';

/** A connection for a command, and who wants it. */
export interface ExecAsked {
  readonly deps: ApiDeps;
  readonly requests: OpenRequests;
  readonly route: ExecRoute;
  readonly caller: Caller;
}

/** A client that has not answered so many signs of life is gone. */
const MOST_UNANSWERED = 6;
const CLOSE_LIMIT_MS = 2_000;

/** Upgrades the connection, has the command run, here or on the node where the instance is, and closes the connection. */
export async function acceptExec(asked: ExecAsked, { incoming, socket, head }: Upgrade): Promise<void> {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: EXEC_MESSAGE_LIMIT_BYTES,
    handleProtocols: (offered) => (offered.has(EXEC_PROTOCOL) ? EXEC_PROTOCOL : false),
  });
  const client = await new Promise<WebSocket>((resolve, reject) => {
    socket.once('close', () => reject(new AgentError('INVALID_INPUT', 'Cannot upgrade: expected a WebSocket')));
    server.handleUpgrade(incoming, socket, head, resolve);
  });
  client.on('error', () => {}); // 'close' follows
  const gone = new AbortController();
  client.once('close', () => gone.abort());
  const scope = asked.requests.begin(gone.signal, undefined);
  const stopPings = keepAlive(asked.deps, client);
  try {
    await serve(asked, client, scope.signal);
  } catch (error) {
    if (!scope.gone) send(client, { problem: makeProblem(error, 'none') });
  } finally {
    stopPings();
    scope.end();
    await close(asked.deps, client);
  }
}

async function serve(asked: ExecAsked, client: WebSocket, signal: AbortSignal): Promise<void> {
  const { deps, route, caller } = asked;
  const inbox = new Inbox(client);
  const start = await inbox.start(deps, signal);
  const fields = {
    instance: displayName(route.key),
    program: start.command[0],
    caller: caller.name,
    ...(caller.onBehalfOf === undefined ? {} : { for: caller.onBehalfOf.name }),
    terminal: start.terminal !== undefined,
  };
  const place = route.isHere ? undefined : await findExecPlace(deps, route.key, signal);
  deps.log.info({ ...fields, ...(place === undefined ? {} : { node: place }) }, 'command asked for');
  try {
    const code =
      place === undefined
        ? await runExec(deps, route.key, start, { client, inbox }, signal)
        : await proxyExec(deps, { key: route.key, node: place, caller }, start, { client, inbox }, signal);
    deps.log.info({ ...fields, exitCode: code }, 'command ended');
  } catch (err) {
    deps.log.info({ ...fields, code: errorCodeOf(err), err }, 'command not run, or broken off');
    throw err;
  }
}

/**
 * Notices a client that is no more. One whose messages nobody reads just now can't be heard answering; it's sent signs all the same,
 * since its connection's end isn't read either: what is sent to one that has closed it fails.
 */
function keepAlive({ clock }: ApiDeps, client: WebSocket): () => void {
  let unanswered = 0;
  let cancel = () => {};
  client.on('pong', () => {
    unanswered = 0;
  });
  const ping = () => {
    if (client.isPaused) unanswered = 0;
    if (unanswered >= MOST_UNANSWERED) client.terminate();
    else {
      unanswered += 1;
      if (client.readyState === client.OPEN) client.ping();
    }
    cancel = clock.after(EXEC_SIGN_MS, ping);
  };
  cancel = clock.after(EXEC_SIGN_MS, ping);
  return () => cancel();
}

/** Lets the client hear the last message, for a while. */
async function close({ clock }: ApiDeps, client: WebSocket): Promise<void> {
  if (client.readyState === client.CLOSED) return;
  const closed = once(client, 'close');
  client.resume();
  client.close(1000);
  const cancel = clock.after(CLOSE_LIMIT_MS, () => client.terminate());
  await closed;
  cancel();
}
