import { parseClusterId } from '../../domain/ids.ts';
import { makeAuthority } from '../../pki/authority.ts';
import { writePems } from '../../pki/pem-files.ts';
import { exitCodes, makeCommand } from '../command.ts';
import { authorityFiles, describeAll, lifetimeOption, pkiOptions, tellWritten } from '../pki-files.ts';

/** `muster pki init`: a CA for a cluster. */
export const pkiInit = makeCommand({
  path: 'pki init',
  summary: 'Make the CA of a cluster',
  details: [
    'Writes ca.pem, which each node and each operator needs, and ca-key.pem, which is to be kept apart: whoever has it makes whoever they like an operator of the cluster. It is good for ten years unless told otherwise. Nothing that is there is overwritten without --force.',
  ],
  args: [],
  options: {
    cluster: { type: 'string', value: 'ID', help: 'The cluster (else the one of the agent that answers)' },
    ...pkiOptions,
  },
  examples: [
    { line: 'muster pki init --cluster prod', does: 'make muster-pki/ca.pem and muster-pki/ca-key.pem' },
    { line: 'muster pki init --cluster prod --dir /root/prod-pki --lifetime 1825d', does: 'elsewhere, for five years' },
  ],
  async run(context, { value, flag }) {
    const lifetimeMs = lifetimeOption('ca', value('lifetime'));
    const named = value('cluster') ?? (await (await context.client()).node(context.signal)).cluster;
    const cluster = parseClusterId(named);
    const { cert, key } = await makeAuthority(cluster, { now: context.clock.wallTime(), lifetimeMs });
    const files = authorityFiles(value('dir'));
    const pems = [
      { path: files.key, content: key, secret: true },
      { path: files.cert, content: cert, secret: false },
    ];
    await writePems(pems, flag('force'));
    tellWritten(context, { cert: files.cert, key: files.key }, describeAll(context, cert, files.cert)[0]);
    return exitCodes.done;
  },
});
