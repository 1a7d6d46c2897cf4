import { createPrivateKey, type webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import type { Extension, JsonGeneralName } from '@peculiar/x509';
import { type CertificateIdentity, certificateUri } from '../domain/certificate-identity.ts';
import { AgentError } from '../domain/errors.ts';
import { type ClusterId, parseClusterId } from '../domain/ids.ts';
import { formatDurationMs } from '../domain/quantity.ts';
import { makeKeys, readKeys, writeKey } from './keys.ts';
import { readCertificates } from './read-certificates.ts';
import { keyAlgorithm, loadX509, type X509 } from './x509.ts';

/** A cluster's CA: who has the key makes whoever they like an operator. */
export interface Authority {
  readonly cluster: ClusterId;
  /** In PEM. */
  readonly cert: string;
  readonly keys: webcrypto.CryptoKeyPair;
}

/** For how long, and from when on. */
export interface Validity {
  readonly now: Date;
  readonly lifetimeMs: number;
}

/** What a certificate is to say. */
export interface CertificateOrder extends Validity {
  readonly identity: CertificateIdentity;
  /** A node's addresses and host names, for clients that compare them. */
  readonly addresses: readonly string[];
  readonly publicKey: webcrypto.CryptoKey;
}

/** How long certificates are good, unless told otherwise, and within which bounds. */
export const lifetimes = {
  ca: { usualMs: 10 * 365 * 86_400_000, leastMs: 60_000, mostMs: 30 * 365 * 86_400_000 },
  node: { usualMs: 7 * 86_400_000, leastMs: 1_000, mostMs: 398 * 86_400_000 },
  operator: { usualMs: 86_400_000, leastMs: 1_000, mostMs: 398 * 86_400_000 },
} as const;

/** Clocks run apart: a certificate is good from a little before it was made, but never much of its life. */
const BACKDATED_MS = 300_000;
const BACKDATED_PART = 0.1;

/** Makes a CA for a cluster: its certificate and its key, in PEM. */
export async function makeAuthority(
  cluster: ClusterId,
  validity: Validity,
): Promise<{ readonly cert: string; readonly key: string }> {
  const x509 = await loadX509();
  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ O: [cluster] }, { CN: [`muster CA ${cluster}`] }],
    keys,
    signingAlgorithm: keyAlgorithm,
    ...dates(validity),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign + x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: pem(certificate.toString('pem')), key: await writeKey(keys) };
}

/** The CA of these two texts; of several certificates the one whose key it is. `INVALID_INPUT` where there's none. */
export async function openAuthority(files: {
  readonly cert: string;
  readonly certSource: string;
  readonly key: string;
  readonly keySource: string;
}): Promise<Authority> {
  const { certSource, keySource } = files;
  const keys = await readKeys(files.key, keySource);
  const key = createPrivateKey(files.key);
  const found = readCertificates(files.cert, certSource).find((each) => each.checkPrivateKey(key));
  if (found?.ca !== true)
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot sign with "${keySource}": expected the key of a CA in "${certSource}"`,
    );
  const organization = /^O=(.+)$/m.exec(found.subject)?.[1] ?? '';
  return { cluster: parseClusterId(organization), cert: found.toString(), keys };
}

/** Signs a certificate, in PEM. It never outlives the CA. `FORBIDDEN` for one of another cluster, `CONFLICT` once the CA is over. */
export async function signCertificate(authority: Authority, order: CertificateOrder): Promise<string> {
  const { identity, publicKey } = order;
  if (identity.cluster !== authority.cluster)
    throw new AgentError(
      'FORBIDDEN',
      `Cannot sign for cluster "${identity.cluster}": expected "${authority.cluster}", whose CA this is`,
    );
  const x509 = await loadX509();
  const ca = new x509.X509Certificate(authority.cert);
  if (ca.notAfter <= order.now)
    throw new AgentError(
      'CONFLICT',
      `Cannot sign with a CA that ended ${ca.notAfter.toISOString()}: expected a new one`,
    );
  const { notBefore, notAfter } = dates(order);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ O: [identity.cluster] }, { CN: [identity.name] }],
    issuer: ca.subjectName,
    publicKey,
    signingKey: authority.keys.privateKey,
    signingAlgorithm: keyAlgorithm,
    notBefore: latest(notBefore, ca.notBefore),
    notAfter: earliest(notAfter, ca.notAfter),
    extensions: [...(await leafExtensions(x509, order)), await x509.AuthorityKeyIdentifierExtension.create(ca)],
  });
  return pem(certificate.toString('pem'));
}

async function leafExtensions(x509: X509, { identity, addresses, publicKey }: CertificateOrder): Promise<Extension[]> {
  const { clientAuth, serverAuth } = x509.ExtendedKeyUsage;
  const names: JsonGeneralName[] = [
    { type: 'url', value: certificateUri(identity) },
    ...addresses.map((value): JsonGeneralName => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
  ];
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(identity.role === 'node' ? [serverAuth, clientAuth] : [clientAuth], true),
    new x509.SubjectAlternativeNameExtension(names),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
  ];
}

/** Throws `INVALID_INPUT` for a lifetime out of bounds. */
export function checkLifetime(kind: keyof typeof lifetimes, lifetimeMs: number): number {
  const { leastMs, mostMs } = lifetimes[kind];
  if (lifetimeMs >= leastMs && lifetimeMs <= mostMs) return lifetimeMs;
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot use a lifetime of ${formatDurationMs(lifetimeMs)}: expected ${formatDurationMs(leastMs)} to ${formatDurationMs(mostMs)}`,
  );
}

function dates({ now, lifetimeMs }: Validity): { readonly notBefore: Date; readonly notAfter: Date } {
  const back = Math.min(BACKDATED_MS, lifetimeMs * BACKDATED_PART);
  return { notBefore: moved(now, -back), notAfter: moved(now, lifetimeMs) };
}

function earliest(a: Date, b: Date): Date {
  return a.getTime() < b.getTime() ? a : b;
}

function latest(a: Date, b: Date): Date {
  return a.getTime() > b.getTime() ? a : b;
}

function moved(date: Date, ms: number): Date {
  const copy = structuredClone(date);
  copy.setTime(copy.getTime() + ms);
  return copy;
}

function pem(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}
