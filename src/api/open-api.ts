import { createServer, type Server } from 'node:http';
import { systemClock } from '../loop/system-clock.ts';
import { answerRequests, limitCallers } from './answer-requests.ts';
import { socketCaller } from './caller.ts';
import { attachUpgrade } from './exec-upgrade.ts';
import { guardServer, httpLimits } from './http-limits.ts';
import type { Api } from './make-api.ts';
import { RequestRate } from './request-rate.ts';
import { claimSocket, type SocketFile, type SocketOptions } from './socket-file.ts';

/** The API, listening. */
export interface ApiListener {
  /** Takes no more requests, ends those under way, removes the socket. */
  close(): Promise<void>;
}

export interface ApiOptions extends SocketOptions {
  readonly requestsPerSecond?: number;
}

/** More clients at once than this are not served. */
const MAX_CONNECTIONS = 512;

/** Of each connection, unless told otherwise. */
const REQUESTS_PER_SECOND = 200;

/** Listens on a unix socket. `CONFLICT` when another process answers on it; one that nobody answers on is replaced. */
export async function openApi(api: Api, options: ApiOptions): Promise<ApiListener> {
  const perSecond = options.requestsPerSecond ?? REQUESTS_PER_SECOND;
  const callerOf = limitCallers(() => socketCaller, new RequestRate(systemClock, perSecond), perSecond);
  const server = createServer(httpLimits, answerRequests(api, callerOf, { log: options.log, clock: systemClock }));
  server.maxConnections = MAX_CONNECTIONS;
  guardServer(server);
  attachUpgrade(server, api, callerOf, options.log);
  const file = await claimSocket(options, async (path) => listen(server, path));
  // A connection that can't be taken, as when no file descriptor is left: an error that nobody hears would end the process.
  server.on('error', (err) => options.log.warn({ err }, 'API connection not taken'));
  options.log.info({ socket: options.socketPath, group: file.group ?? 'root' }, 'API is listening');
  return { close: async () => close(server, api, file) };
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function close(server: Server, api: Api, file: SocketFile): Promise<void> {
  await file.remove();
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  api.close();
  server.closeIdleConnections();
  setImmediate(() => server.closeAllConnections()); // after last lines have been handed to the sockets
  await closed;
}
