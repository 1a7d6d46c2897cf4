import { X509Certificate } from 'node:crypto';
import type { RequestOptions } from 'node:https';
import type { PeerCertificate } from 'node:tls';
import { type CertificateIdentity, certificateIdentity } from '../domain/certificate-identity.ts';
import { AgentError } from '../domain/errors.ts';

/** An agent of this machine. */
export interface SocketTarget {
  readonly socketPath: string;
}

/** An agent that is reached over TCP with mutual TLS. */
export interface TlsTarget {
  /** `https://host:port`. */
  readonly url: string;
  /** In PEM: whom to believe, and who asks. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** The node that must answer; any of the cluster where none is said. */
  readonly node?: string;
}

/** Where an agent's API listens. */
export type ClientTarget = SocketTarget | TlsTarget;

/** What messages call it. */
export function targetName(target: ClientTarget): string {
  return 'url' in target ? target.url : target.socketPath;
}

/**
 * How to connect, as Node's HTTPS, TLS and WebSocket clients take it. What counts is that whoever answers is a node of the cluster that
 * this certificate is for; by which name or address it was reached is the network's business.
 */
export function tlsOptions(target: TlsTarget): RequestOptions {
  const { hostname, port } = new URL(target.url);
  const own = ownIdentity(target.cert);
  return {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? 443 : Number(port),
    ca: target.ca,
    cert: target.cert,
    key: target.key,
    servername: '',
    minVersion: 'TLSv1.2',
    checkServerIdentity: (_host, certificate) => judgeServer(certificate, own, target),
  };
}

/** Whose certificate this is. `INVALID_INPUT` for none of ours. */
export function ownIdentity(cert: string): CertificateIdentity {
  let identity: CertificateIdentity | undefined;
  try {
    identity = certificateIdentity(new X509Certificate(cert));
  } catch (cause) {
    throw new AgentError('INVALID_INPUT', 'Cannot use the client certificate: expected one in PEM', { cause });
  }
  if (identity !== undefined) return identity;
  throw new AgentError('INVALID_INPUT', 'Cannot use the client certificate: expected one that "muster pki issue" made');
}

function judgeServer(certificate: PeerCertificate, own: CertificateIdentity, target: TlsTarget): Error | undefined {
  const { subject, subjectaltname } = certificate;
  const text = Object.entries(subject).map(([key, value]) => `${key}=${String(value)}`);
  const identity = certificateIdentity({ subject: text.join('\n'), subjectAltName: subjectaltname });
  const isNode = identity?.role === 'node' && identity.cluster === own.cluster;
  if (isNode && (target.node === undefined || target.node === identity.name)) return undefined;
  const expected = target.node === undefined ? 'a node' : `node ${target.node}`;
  const shown =
    identity === undefined ? 'someone else' : `${identity.role} ${identity.name} of cluster "${identity.cluster}"`;
  return new AgentError(
    'UNAUTHENTICATED',
    `Cannot trust ${target.url}, it is ${shown}: expected ${expected} of cluster "${own.cluster}"`,
  );
}

/** What a failure to connect or to talk means. `signal`: its reason comes first. */
export function translateFailure(error: unknown, target: ClientTarget, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof AgentError) return error;
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const name = targetName(target);
  const make = (kind: 'FORBIDDEN' | 'UNAVAILABLE' | 'UNAUTHENTICATED', message: string) =>
    new AgentError(kind, message, { cause: error });
  if (unreachable.has(code)) {
    const isRunning = 'url' in target ? 'does its agent listen there (api.listen)?' : 'is muster.service running?';
    return make('UNAVAILABLE', `Cannot reach the agent at ${name}: ${isRunning}`);
  }
  if ('url' in target && /CERT|SIGNED|ISSUER|VERIFY|PURPOSE|INVALID_CA/.test(code))
    return make(
      'UNAUTHENTICATED',
      `Cannot trust the agent at ${name}: expected a certificate of the CA that is believed, valid now`,
    );
  if (code === 'EACCES' || code === 'EPERM')
    return make('FORBIDDEN', `Cannot open ${name}: expected to be root or a member of the group "muster"`);
  return make('UNAVAILABLE', `Cannot talk to the agent at ${name}: the connection broke`);
}

const unreachable = new Set([
  ...['ENOENT', 'ENOTSOCK', 'ECONNREFUSED'],
  ...['EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN'],
]);
