import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { type CertificateIdentity, certificateIdentity } from '../domain/certificate-identity.ts';
import { AgentError } from '../domain/errors.ts';
import type { Clock } from '../loop/clock.ts';
import type { Caller, Role } from './caller.ts';
import { behalfHeaders } from './peers.ts';

/** Finds who asks. Throws `UNAUTHENTICATED` or `FORBIDDEN` for whoever is not to be answered, before anything is done for them. */
export type CallerOf = (incoming: IncomingMessage) => Caller;

export interface TlsCallers {
  readonly cluster: string;
  readonly clock: Pick<Clock, 'wallTime'>;
}

/** A connection's certificate, once it was found to be good. */
interface Known {
  readonly identity: CertificateIdentity;
  readonly endsMs: number;
}

/** What OpenSSL says of a chain, and what it means to people. */
const chainProblems: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  INVALID_PURPOSE: 'it is not one for clients',
};

/** Finds the caller of a connection by its certificate, which is looked at with each request: it may end meanwhile. */
export function tlsCallerOf(options: TlsCallers): CallerOf {
  const found = new WeakMap<object, Known>();
  return (incoming) => {
    const socket = incoming.socket as TLSSocket;
    const known = found.get(socket) ?? judge(socket, options);
    if (options.clock.wallTime().getTime() >= known.endsMs)
      throw refuse(known.identity.name, 'it has expired', options);
    found.set(socket, known);
    const { role, name } = known.identity;
    return { via: 'tls', name, role, ...behalf(incoming, role) };
  };
}

/** When the certificate of a connection ends; undefined where it has none. */
export function certificateEnd(socket: TLSSocket): Date | undefined {
  return socket.getPeerX509Certificate()?.validToDate;
}

function judge(socket: TLSSocket, options: TlsCallers): Known {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) {
    throw new AgentError(
      'UNAUTHENTICATED',
      `Cannot answer without a client certificate: expected one of cluster "${options.cluster}"`,
    );
  }
  if (!socket.authorized) {
    const problem = chainProblems[String(socket.authorizationError)];
    throw refuse(
      claimedName(certificate),
      problem ?? `it is not signed by the CA of cluster "${options.cluster}"`,
      options,
    );
  }
  const identity = certificateIdentity(certificate);
  if (identity === undefined) throw forbid(claimedName(certificate), 'it names no role in a cluster', options);
  if (identity.cluster !== options.cluster)
    throw forbid(identity.name, `it is of cluster "${identity.cluster}"`, options);
  return { identity, endsMs: certificate.validToDate.getTime() };
}

function refuse(name: string, problem: string, { cluster }: TlsCallers): AgentError {
  return new AgentError(
    'UNAUTHENTICATED',
    `Cannot accept the certificate of "${name}", ${problem}: expected one of cluster "${cluster}" that is valid now`,
  );
}

function forbid(name: string, problem: string, { cluster }: TlsCallers): AgentError {
  return new AgentError(
    'FORBIDDEN',
    `Cannot accept the certificate of "${name}", ${problem}: expected one of cluster "${cluster}"`,
  );
}

/** What a certificate that nobody vouches for says, as far as it may be shown. */
function claimedName({ subject }: X509Certificate): string {
  return (/^CN=(.*)$/m.exec(subject)?.[1] ?? 'nobody').replaceAll(/[^ -~]/g, '?').slice(0, 64);
}

/** Whom another agent says to ask for. Only a node is believed. */
function behalf({ headers }: IncomingMessage, role: Role): Pick<Caller, 'onBehalfOf'> {
  if (role !== 'node') return {};
  const [name, as] = [headers[behalfHeaders.name], headers[behalfHeaders.role]];
  if (typeof name !== 'string' || !/^[A-Za-z0-9._@-]{1,64}$/.test(name)) return {};
  return as === 'viewer' || as === 'operator' || as === 'node' ? { onBehalfOf: { name, role: as } } : {};
}
