import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { AgentError, errorCodeOf, errorText } from '../domain/errors.ts';
import type { Log } from '../loop/log.ts';
import type { ApiDeps } from './api-deps.ts';
import type { Caller } from './caller.ts';
import type { CallerOf } from './caller-of.ts';
import { type ExecRoute, findExecRoute, type Upgrade } from './exec-routes.ts';
import type { OpenRequests } from './open-requests.ts';
import { makeProblem } from './problem-response.ts';
import { refuseForeignPage } from './refuse-foreign-page.ts';
import { refuseRole } from './refuse-role.ts';

/** What takes upgrades: an API. */
export interface Upgrades {
  upgrade(upgrade: Upgrade, caller: Caller): Promise<void>;
}

/** Has a listener hand over the connections that clients want to use for commands. Whoever may not is told so, and hung up on. */
export function attachUpgrade(server: Server, api: Upgrades, callerOf: CallerOf, log: Log): void {
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {}); // a client that breaks off; 'close' follows
    const answer = async () => {
      try {
        await api.upgrade({ incoming, socket, head }, callerOf(incoming));
      } catch (error) {
        log.warn(
          { client: incoming.socket.remoteAddress ?? 'socket', code: errorCodeOf(error), reason: errorText(error) },
          'connection for a command refused',
        );
        refuseUpgrade(socket, error);
      }
    };
    answer().catch((err: unknown) => log.error({ err }, 'connection for a command not answered'));
  });
}

/** Takes a connection over for a command beside an instance. Rejects, with the connection as it was, where it's not to be. */
export async function openUpgrade(
  deps: ApiDeps,
  requests: OpenRequests,
  { incoming, socket, head }: Upgrade,
  caller: Caller,
): Promise<void> {
  const route = findExecRoute(incoming.url ?? '');
  refuse(route, incoming, caller);
  const { acceptExec } = await import('./exec-socket.ts'); // ws is heavy, and most agents never run a command
  await acceptExec({ deps, requests, route, caller }, { incoming, socket, head });
}

function refuse(route: ExecRoute | undefined, incoming: IncomingMessage, caller: Caller): asserts route is ExecRoute {
  if (route === undefined || incoming.method !== 'GET' || incoming.headers.upgrade?.toLowerCase() !== 'websocket') {
    const path = (incoming.url ?? '').split('?')[0] ?? '';
    const shown = `Cannot upgrade "${path.slice(0, 200)}"`;
    throw new AgentError('NOT_FOUND', `${shown}: expected a WebSocket to the exec of an instance`);
  }
  refuseRole(route, caller);
  refuseForeignPage(route, caller, { origin: incoming.headers.origin, host: incoming.headers.host });
  // What another agent asks for, somebody asked it for who may.
  if (caller.role === 'node' && caller.via === 'tls' && caller.onBehalfOf?.role !== 'operator') {
    const who = caller.onBehalfOf?.name ?? 'nobody';
    throw new AgentError('FORBIDDEN', `Cannot run a command for "${who}": expected the role operator`);
  }
}

function refuseUpgrade(socket: Duplex, error: unknown): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const problem = makeProblem(error, 'none');
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} Refused`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  // A client may leave its own half open for ever, and no limit of HTTP holds for it any more.
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
