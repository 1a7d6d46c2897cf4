import { X509Certificate } from 'node:crypto';
import { AgentError } from '../domain/errors.ts';

const block = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Every certificate of a PEM text. `INVALID_INPUT` where there's none, or one can't be read. */
export function readCertificates(text: string, source: string): readonly X509Certificate[] {
  const blocks = text.match(block) ?? [];
  const [first, ...others] = blocks.map((each) => readOne(each, source));
  if (first !== undefined) return [first, ...others];
  const isKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text);
  const found = isKey ? ', it is a private key' : '';
  throw new AgentError('INVALID_INPUT', `Cannot read "${source}": expected a certificate in PEM${found}`);
}

function readOne(text: string, source: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch (cause) {
    throw new AgentError('INVALID_INPUT', `Cannot read the certificate in "${source}": expected X.509 in PEM`, {
      cause,
    });
  }
}
