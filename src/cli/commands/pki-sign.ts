import { type CertificateRole, parseHolderName } from '../../domain/certificate-identity.ts';
import { parseNodeId } from '../../domain/ids.ts';
import { signCertificate } from '../../pki/authority.ts';
import { readRequest } from '../../pki/request.ts';
import { exitCodes, makeCommand } from '../command.ts';
import { Misuse } from '../misuse.ts';
import { parseAddresses } from '../parse-addresses.ts';
import { authorityFiles, describeAll, lifetimeOption, pkiOptions, readAuthority } from '../pki-files.ts';
import { printJson } from '../print-answer.ts';
import { readFiles } from '../read-files.ts';

/** `muster pki sign`: a certificate for a key that was made elsewhere. */
export const pkiSign = makeCommand({
  path: 'pki sign',
  summary: 'Sign a request of "muster pki request", and print the certificate',
  details: ['Nothing that the request says of its holder counts: the options say whose certificate it is to be.'],
  args: [{ name: 'FILE', help: 'The request, "-" for standard input' }],
  options: {
    role: { type: 'string', value: 'ROLE', help: 'viewer, operator or node' },
    name: { type: 'string', value: 'NAME', help: "Whose it is; a node's name is its node ID" },
    address: { type: 'string', value: 'ADDRESS', help: 'An IP address or a host name of a node; several with commas' },
    'ca-cert': { type: 'string', value: 'FILE', help: "The CA's certificate (else ca.pem of --dir)" },
    'ca-key': { type: 'string', value: 'FILE', help: "The CA's key (else ca-key.pem of --dir)" },
    dir: pkiOptions.dir,
    lifetime: pkiOptions.lifetime,
  },
  examples: [
    {
      line: 'muster pki sign node7.csr --role node --name 4a3c9f0d5b8e4f1aa2c6d7e8f9012345 --address 10.0.0.7',
      does: 'print the certificate of a node',
    },
  ],
  async run(context, { args: [file = ''], value }) {
    const role = parseRole(value('role'));
    const name = value('name');
    if (name === undefined) throw new Misuse('Cannot sign: expected --name NAME, whose certificate it is to be');
    const folder = authorityFiles(value('dir'));
    const authority = await readAuthority({
      cert: value('ca-cert') ?? folder.cert,
      key: value('ca-key') ?? folder.key,
    });
    const [request] = await readFiles({ paths: [file], stdinName: undefined }, context.stdin);
    const cert = await signCertificate(authority, {
      identity: { cluster: authority.cluster, role, name: role === 'node' ? parseNodeId(name) : parseHolderName(name) },
      addresses: parseAddresses(value('address')),
      publicKey: await readRequest(Buffer.from(request?.bytes ?? []).toString('utf8')),
      now: context.clock.wallTime(),
      lifetimeMs: lifetimeOption(role === 'node' ? 'node' : 'operator', value('lifetime')),
    });
    if (context.json) printJson(context, { pem: cert, certificate: describeAll(context, cert, 'the certificate')[0] });
    else context.stdout.write(cert);
    return exitCodes.done;
  },
});

function parseRole(text: string | undefined): CertificateRole {
  if (text === 'viewer' || text === 'operator' || text === 'node') return text;
  throw new Misuse(`Cannot sign for role "${text ?? ''}": expected --role viewer, operator or node`);
}
