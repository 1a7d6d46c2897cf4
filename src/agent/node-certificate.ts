import { createPrivateKey, type X509Certificate } from 'node:crypto';
import { readFile, rename, rm } from 'node:fs/promises';
import type { TlsMaterial } from '../api/open-tls.ts';
import { certificateIdentity } from '../domain/certificate-identity.ts';
import { AgentError } from '../domain/errors.ts';
import type { NodeId } from '../domain/ids.ts';
import { writeFileAtomically } from '../host/atomic-file.ts';
import { readCertificates } from '../pki/read-certificates.ts';

/** Where a node's certificate is. */
export interface CertificatePaths {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Whose certificate it has to be. */
export interface CertificateHolder {
  readonly cluster: string;
  readonly node: NodeId;
}

/** A node's certificate, found to be this node's and to fit its key and its CA. */
export interface NodeCertificate {
  readonly material: TlsMaterial;
  readonly certificate: X509Certificate;
  /** The CA that signed it. */
  readonly issuer: X509Certificate;
}

/** Reads the files. Undefined while one of them isn't there; `INVALID_INPUT` where they aren't what they should be. */
export async function readNodeCertificate(
  paths: CertificatePaths,
  holder: CertificateHolder,
): Promise<NodeCertificate | undefined> {
  const [ca, key] = [await readText(paths.ca), await readText(paths.key)];
  if (ca === undefined || key === undefined) return undefined;
  const cert = await readFitting(paths, key);
  if (cert === undefined) return undefined;
  const certificate = firstOf(cert, paths.cert);
  const identity = certificateIdentity(certificate);
  if (identity?.role !== 'node' || identity.cluster !== holder.cluster || identity.name !== holder.node) {
    const said =
      identity === undefined ? 'no node' : `${identity.role} ${identity.name} of cluster "${identity.cluster}"`;
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot use "${paths.cert}", it is of ${said}: expected one of node ${holder.node} of cluster "${holder.cluster}"`,
    );
  }
  const issuer = readCertificates(ca, paths.ca).find(
    (each) => certificate.checkIssued(each) && certificate.verify(each.publicKey),
  );
  if (issuer !== undefined) return { material: { ca, cert, key }, certificate, issuer };
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot use "${paths.cert}": expected one that a CA of "${paths.ca}" has signed`,
  );
}

/** Where a new key waits for its certificate. */
export function nextKeyPath({ key }: CertificatePaths): string {
  return `${key}.new`;
}

/**
 * Puts a new certificate, and the key that waits for it, into the place of the old ones. After a crash at any moment what is read next is
 * the old pair or the new one.
 */
export async function replaceCertificate(paths: CertificatePaths, cert: string): Promise<void> {
  await writeFileAtomically(nextCertPath(paths), cert, 0o644);
  await rename(nextKeyPath(paths), paths.key);
  await rename(nextCertPath(paths), paths.cert);
}

/** The certificate, or the one that waits where the key is already the new one. */
async function readFitting(paths: CertificatePaths, key: string): Promise<string | undefined> {
  const privateKey = readKey(key, paths.key);
  const [cert, next] = [await readText(paths.cert), await readText(nextCertPath(paths))];
  if (cert !== undefined && firstOf(cert, paths.cert).checkPrivateKey(privateKey)) {
    if (next !== undefined) await rm(nextCertPath(paths), { force: true }); // its key never came
    return cert;
  }
  if (next !== undefined && firstOf(next, nextCertPath(paths)).checkPrivateKey(privateKey)) {
    await rename(nextCertPath(paths), paths.cert);
    return next;
  }
  if (cert === undefined) return undefined;
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot use "${paths.key}": expected the key of the certificate in "${paths.cert}"`,
  );
}

function nextCertPath({ cert }: CertificatePaths): string {
  return `${cert}.new`;
}

function readKey(text: string, path: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(text);
  } catch {
    throw new AgentError('INVALID_INPUT', `Cannot use "${path}": expected a private key in PEM, without a passphrase`);
  }
}

function firstOf(text: string, source: string): X509Certificate {
  const [first] = readCertificates(text, source);
  if (first === undefined)
    throw new AgentError('INVALID_INPUT', `Cannot read "${source}": expected a certificate in PEM`);
  return first;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new AgentError('INVALID_INPUT', `Cannot read "${path}": expected a PEM file that the agent may read`, {
      cause,
    });
  }
}
