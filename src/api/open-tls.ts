import { constants } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { AgentError } from '../domain/errors.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { answerRequests, limitCallers } from './answer-requests.ts';
import { type CallerOf, certificateEnd, tlsCallerOf } from './caller-of.ts';
import { ConnectionShares, shareLimits } from './connection-shares.ts';
import { attachUpgrade } from './exec-upgrade.ts';
import { guardServer, httpLimits } from './http-limits.ts';
import type { Api } from './make-api.ts';
import { refuseTooMany } from './refusal.ts';
import { RequestRate } from './request-rate.ts';

/** A certificate with its key, and whom to believe: in PEM. */
export interface TlsMaterial {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface TlsOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly material: TlsMaterial;
  /** Whose certificates are accepted. */
  readonly cluster: string;
  readonly requestsPerSecond: number;
  readonly connections: number;
  /** Where clients may take other times than the usual ones. */
  readonly limits?: Pick<ServerOptions, LimitName> & { readonly stalledMs?: number };
  readonly clock: Clock;
  readonly log: Log;
}

type LimitName =
  | 'headersTimeout'
  | 'requestTimeout'
  | 'keepAliveTimeout'
  | 'handshakeTimeout'
  | 'connectionsCheckingInterval';

/** The API on TCP. */
export interface TlsListener {
  readonly port: number;
  /** Open connections. */
  readonly connections: number;
  /** New connections get the new certificate. Under another CA those that there are end: they were let in by the old one. */
  reload(material: TlsMaterial): void;
  close(): Promise<void>;
}

/** How long a client may take to say TLS's hello and show its certificate. */
const HANDSHAKE_MS = 5_000;
/** How often what a client may take is looked at. */
const CHECK_MS = 5_000;
/** Timers of Node can't be longer. */
const LONGEST_TIMER_MS = 2_147_483_647;

/**
 * Listens on TCP with mutual TLS. Whoever has no certificate that is good gets that far that they can be told so, and no further: the
 * handshake is let through, and the first thing that's done with a request is to look at the certificate it came with.
 */
export async function openTlsApi(api: Api, options: TlsOptions): Promise<TlsListener> {
  const { host, port, connections, log } = options;
  const shares = new ConnectionShares(shareLimits(connections));
  const callerOf = admit(options, shares);
  const server = createServer(serverOptions(options), answerRequests(api, callerOf, options));
  server.maxConnections = connections;
  guardServer(server, options.limits?.stalledMs);
  attachUpgrade(server, api, callerOf, log);
  watchConnections(server, shares, options);
  await listen(server, host, port);
  server.on('error', (err) => log.warn({ err }, 'API connection not taken'));
  const address = server.address();
  const listens = typeof address === 'object' && address !== null ? address.port : port;
  log.info({ host, port: listens }, 'API is listening with mutual TLS');
  let { ca } = options.material;
  return {
    port: listens,
    get connections() {
      return shares.size;
    },
    reload: (material) => {
      server.setSecureContext(contextOptions(material));
      if (material.ca !== ca) shares.endAll();
      ca = material.ca;
    },
    close: async () => close(server, api, shares),
  };
}

function contextOptions({ ca, cert, key }: TlsMaterial): ServerOptions {
  // Without tickets each connection shows its certificate anew: one that has ended isn't carried on by an old ticket.
  // And it shows one only: Node would keep calling a connection authorized that has shown a forged one since.
  const secureOptions = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;
  return { ca, cert, key, minVersion: 'TLSv1.2', secureOptions };
}

function serverOptions({ material, limits }: TlsOptions): ServerOptions {
  return {
    ...httpLimits,
    ...contextOptions(material),
    requestCert: true,
    rejectUnauthorized: false, // judged before anything else is done, so that the refusal can be read
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: HANDSHAKE_MS,
    connectionsCheckingInterval: CHECK_MS,
    ...limits,
  };
}

function admit(options: TlsOptions, shares: ConnectionShares): CallerOf {
  const { clock, requestsPerSecond } = options;
  const limited = limitCallers(tlsCallerOf(options), new RequestRate(clock, requestsPerSecond), requestsPerSecond);
  return (incoming) => {
    const caller = limited(incoming);
    if (shares.identify(incoming.socket, `${caller.role}/${caller.name}`)) {
      if (incoming.headers.upgrade !== undefined) shares.begin(incoming.socket); // for as long as it lasts
      return caller;
    }
    throw refuseTooMany('fewer connections at once with one certificate', 1);
  };
}

function watchConnections(server: Server, shares: ConnectionShares, { clock, log }: TlsOptions): void {
  server.on('connection', (socket: Socket) => {
    shares.add(socket);
    socket.on('error', () => {}); // a client that breaks off; 'close' follows
  });
  server.on('secureConnection', (socket: TLSSocket) => endWithCertificate(socket, clock));
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    log.debug({ client: socket.remoteAddress, err: error }, 'TLS client not understood');
    socket.destroy();
  });
  server.on('request', (incoming: IncomingMessage, outgoing) => {
    outgoing.once('close', shares.begin(incoming.socket));
  });
}

/** What goes on for long, as a log that is followed, ends with the certificate that it was asked for with. */
function endWithCertificate(socket: TLSSocket, clock: Clock): void {
  const ends = certificateEnd(socket);
  if (ends === undefined) return;
  const leftMs = ends.getTime() - clock.wallTime().getTime();
  if (leftMs <= 0) return; // refused when it asks, so that it's told why
  socket.once(
    'close',
    clock.after(Math.min(leftMs, LONGEST_TIMER_MS), () => socket.destroy()),
  );
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onError = (cause: Error) =>
      reject(
        new AgentError(
          'UNAVAILABLE',
          `Cannot listen on ${host}, port ${port}: expected it to be this machine's and free`,
          { cause },
        ),
      );
    server.once('error', onError);
    server.listen(port, host, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

async function close(server: Server, api: Api, shares: ConnectionShares): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  api.close();
  server.closeIdleConnections();
  setImmediate(() => shares.endAll()); // after last lines have been handed to the sockets
  await closed;
}
