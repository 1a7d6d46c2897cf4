import { parseHolderName } from '../../domain/certificate-identity.ts';
import { exitCodes, makeCommand } from '../command.ts';
import { Misuse } from '../misuse.ts';
import { issue, pkiOptions } from '../pki-files.ts';

/** `muster pki issue operator`: a certificate for a person, or for a program that acts for people. */
export const pkiIssueOperator = makeCommand({
  path: 'pki issue operator',
  summary: 'Issue a certificate to a person, or to a program',
  details: [
    'Writes operators/NAME.pem and operators/NAME-key.pem into the folder of the CA. It is good for a day unless told otherwise: there is no list of revoked certificates, a short life is what ends a stolen one.',
  ],
  args: [{ name: 'NAME', help: 'Who it is for: stands in the logs of agents' }],
  options: {
    role: { type: 'string', value: 'ROLE', help: 'viewer reads, operator changes too (operator)' },
    ...pkiOptions,
  },
  examples: [
    { line: 'muster pki issue operator anna', does: 'a day for Anna, who may change everything' },
    { line: 'muster pki issue operator grafana --role viewer --lifetime 90d', does: 'a program that only reads' },
  ],
  async run(context, { args: [typed = ''], flag, value }) {
    const role = value('role') ?? 'operator';
    if (role !== 'operator' && role !== 'viewer')
      throw new Misuse(`Cannot use --role "${role}": expected viewer or operator`);
    const name = parseHolderName(typed);
    await issue(context, { value, flag }, { role, name, file: `operators/${name}`, addresses: [] });
    return exitCodes.done;
  },
});
