import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Config } from '../config/read-config.ts';
import { errorText } from '../domain/errors.ts';
import { describeCertificate } from '../pki/describe-certificate.ts';
import { readCertificates } from '../pki/read-certificates.ts';
import type { CertificateFacts } from './facts.ts';
import { isForbidden } from './is-forbidden.ts';

/** Every file with certificates that the configuration needs. */
export async function readCertificateFiles(config: Config, now: Date): Promise<readonly CertificateFacts[]> {
  const isTls = config.endpoints.some((url) => url.startsWith('https:'));
  const wanted = [
    ...(isTls ? [{ key: 'etcd.tls.ca', path: config.tlsCa }] : []),
    ...(isTls ? [{ key: 'etcd.tls.cert', path: config.tlsCert, keyPath: config.tlsKey }] : []),
    ...(config.apiListen === undefined
      ? []
      : [
          { key: 'api.tls.ca', path: config.apiTlsCa },
          { key: 'api.tls.cert', path: config.apiTlsCert, keyPath: config.apiTlsKey },
        ]),
  ];
  const files = wanted.map(async ({ path, ...rest }) =>
    path === undefined ? [] : [await readOne({ path, ...rest }, now)],
  );
  return (await Promise.all(files)).flat();
}

async function readOne(
  { key, path, keyPath }: { readonly key: string; readonly path: string; readonly keyPath?: string | undefined },
  now: Date,
): Promise<CertificateFacts> {
  try {
    const found = readCertificates(await readFile(path, 'utf8'), path);
    const certificates = { value: found.map((certificate) => describeCertificate(certificate, now)) };
    const [own] = found;
    const ownKey = keyPath === undefined || own === undefined ? undefined : await readKey(keyPath);
    if (ownKey === undefined) return { path, key, certificates };
    return { path, key, certificates, keyFits: own?.checkPrivateKey(createPrivateKey(ownKey)) === true };
  } catch (error) {
    return {
      path,
      key,
      certificates: { error: errorText(error) },
      ...(isForbidden(error) ? { isForbidden: true } : {}),
    };
  }
}

/** Undefined where it's not for this user: a key is for root alone. */
async function readKey(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (isForbidden(error)) return undefined;
    throw error;
  });
}
