import { createPublicKey, webcrypto, type X509Certificate } from 'node:crypto';
import { certificateAddresses, certificateIdentity } from '../../domain/certificate-identity.ts';
import { AgentError } from '../../domain/errors.ts';
import { signCertificate } from '../../pki/authority.ts';
import { readPem, writePems } from '../../pki/pem-files.ts';
import { readCertificates } from '../../pki/read-certificates.ts';
import { keyAlgorithm } from '../../pki/x509.ts';
import { exitCodes, makeCommand } from '../command.ts';
import { authorityFiles, describeAll, lifetimeOption, pkiOptions, readAuthority, tellWritten } from '../pki-files.ts';

/** `muster pki renew`: the same certificate for longer. */
export const pkiRenew = makeCommand({
  path: 'pki renew',
  summary: 'Renew a certificate: the same name, role and key, for longer',
  details: [
    'Signs it anew with the CA, whether it has ended or not, and replaces the file; its key stays as it is. For a new key use "muster pki issue … --force". Nodes renew their own certificates by themselves, with new keys.',
  ],
  args: [{ name: 'FILE', help: 'The certificate, a PEM file' }],
  options: { dir: pkiOptions.dir, lifetime: pkiOptions.lifetime },
  examples: [{ line: 'muster pki renew muster-pki/operators/anna.pem --lifetime 12h', does: 'until tonight' }],
  async run(context, { args: [file = ''], value }) {
    const authority = await readAuthority(authorityFiles(value('dir')));
    const [old] = readCertificates(await readPem(file, 'a certificate in PEM'), file);
    const identity = old === undefined ? undefined : certificateIdentity(old);
    if (old === undefined || identity === undefined)
      throw new AgentError(
        'INVALID_INPUT',
        `Cannot renew "${file}": expected a certificate of a node, an operator or a viewer`,
      );
    const cert = await signCertificate(authority, {
      identity,
      addresses: certificateAddresses(old),
      publicKey: await publicKeyOf(old, file),
      now: context.clock.wallTime(),
      lifetimeMs: lifetimeOption(identity.role === 'node' ? 'node' : 'operator', value('lifetime')),
    });
    await writePems([{ path: file, content: cert, secret: false }], true);
    tellWritten(context, { cert: file }, describeAll(context, cert, file)[0]);
    return exitCodes.done;
  },
});

async function publicKeyOf(certificate: X509Certificate, file: string): Promise<webcrypto.CryptoKey> {
  const der = createPublicKey(certificate.publicKey.export({ type: 'spki', format: 'pem' })).export({
    type: 'spki',
    format: 'der',
  });
  try {
    return await webcrypto.subtle.importKey('spki', new Uint8Array(der), keyAlgorithm, true, ['verify']);
  } catch (cause) {
    throw new AgentError('INVALID_INPUT', `Cannot renew "${file}": expected an ECDSA key on the curve P-256`, {
      cause,
    });
  }
}
