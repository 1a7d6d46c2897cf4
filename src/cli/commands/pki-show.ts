import { readPem } from '../../pki/pem-files.ts';
import { exitCodes, makeCommand } from '../command.ts';
import { describeAll, showCertificate } from '../pki-files.ts';
import { printJson } from '../print-answer.ts';

/** `muster pki show`: what a certificate says. */
export const pkiShow = makeCommand({
  path: 'pki show',
  summary: 'Show what a certificate says, and until when',
  details: ['Exits with 1 where one of the certificates is not valid now.'],
  args: [{ name: 'FILE', help: 'A PEM file with one or more certificates' }],
  options: {},
  examples: [
    { line: 'muster pki show /etc/muster/pki/node.pem', does: "this node's certificate" },
    { line: 'muster pki show muster-pki/operators/anna.pem --json', does: 'for programs' },
  ],
  async run(context, { args: [file = ''] }) {
    const certificates = describeAll(context, await readPem(file, 'a PEM file that may be read'), file);
    if (context.json) printJson(context, { file, certificates });
    else {
      for (const [at, each] of certificates.entries()) {
        if (at > 0) context.stdout.write('\n');
        showCertificate(context, each);
      }
    }
    return certificates.every(({ state }) => state === 'valid') ? exitCodes.done : exitCodes.failed;
  },
});
