import type { webcrypto } from 'node:crypto';
import { AgentError } from '../domain/errors.ts';
import type { KeyPair } from './keys.ts';
import { keyAlgorithm, loadX509 } from './x509.ts';

/** Longer than any request of ours. */
export const REQUEST_LIMIT_CHARS = 8_192;

/** How the refusal of what is no request begins, so that it's told apart from a CA that can't sign. */
export const REQUEST_REFUSED = 'Cannot sign the request: expected ';

/** A request for a certificate (PKCS #10, in PEM): the public key, and the proof of having the private one. */
export async function makeRequest(keys: KeyPair): Promise<string> {
  const x509 = await loadX509();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: keyAlgorithm });
  return `${request.toString('pem')}\n`;
}

/** The public key of a request. Whatever else it says isn't heeded. `INVALID_INPUT` for one that isn't signed with its key. */
export async function readRequest(text: string): Promise<webcrypto.CryptoKey> {
  const refuse = (cause?: unknown) =>
    new AgentError('INVALID_INPUT', `${REQUEST_REFUSED}PKCS #10 in PEM, signed with an ECDSA key on P-256`, { cause });
  if (text.length > REQUEST_LIMIT_CHARS) throw refuse();
  const x509 = await loadX509();
  try {
    const request = new x509.Pkcs10CertificateRequest(text);
    const key = await request.publicKey.export(keyAlgorithm, ['verify']);
    if (await request.verify()) return key;
  } catch (cause) {
    throw refuse(cause);
  }
  throw refuse();
}
