import { createPrivateKey, createPublicKey, type KeyObject, webcrypto } from 'node:crypto';
import { AgentError } from '../domain/errors.ts';
import { keyAlgorithm } from './x509.ts';

/** A private key with its public one, as the library wants them. */
export type KeyPair = webcrypto.CryptoKeyPair;

/** A new ECDSA key on P-256. */
export async function makeKeys(): Promise<KeyPair> {
  return webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
}

/** The private key as PKCS #8, in PEM. */
export async function writeKey({ privateKey }: KeyPair): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n');
}

/** Reads a private key of ours. `INVALID_INPUT` for anything else; the message never quotes it. */
export async function readKeys(pem: string, source: string): Promise<KeyPair> {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot read the key in "${source}": expected a private key in PEM, without a passphrase`,
    );
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot use the key in "${source}": expected an ECDSA key on the curve P-256`,
    );
  const read = async (format: 'pkcs8' | 'spki', der: Buffer, uses: readonly ('sign' | 'verify')[]) =>
    webcrypto.subtle.importKey(format, new Uint8Array(der), keyAlgorithm, true, [...uses]);
  const publicDer = createPublicKey(pem).export({ type: 'spki', format: 'der' });
  return {
    privateKey: await read('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), ['sign']),
    publicKey: await read('spki', publicDer, ['verify']),
  };
}
