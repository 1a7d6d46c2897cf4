import { parseHolderName } from '../../domain/certificate-identity.ts';
import { parseNodeId } from '../../domain/ids.ts';
import { exitCodes, makeCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { parseAddress, parseAddresses } from '../parse-addresses.ts';
import { issue, pkiOptions } from '../pki-files.ts';

interface Subject {
  readonly id: string;
  readonly hostname: string | undefined;
  readonly addresses: readonly string[];
}

/** `muster pki issue node`: a certificate for a machine. */
export const pkiIssueNode = makeCommand({
  path: 'pki issue node',
  summary: 'Issue a certificate to a node',
  details: [
    "A node's certificate names its node ID. A hostname is looked up in the cluster, with its addresses; with a node ID nobody is asked, and --address says the addresses. Writes nodes/NAME.pem and nodes/NAME-key.pem into the folder of the CA: on the node they become /etc/muster/pki/node.pem and node-key.pem, beside ca.pem, and its agent takes them without a restart.",
    'It is good for a week unless told otherwise; agents renew theirs before it ends, where some node has pki.caKey.',
  ],
  args: [{ name: 'NAME', help: "The node's hostname or ID" }],
  options: {
    address: {
      type: 'string',
      value: 'ADDRESS',
      help: 'An IP address or a host name by which clients reach it; several with commas',
    },
    ...pkiOptions,
  },
  examples: [
    { line: 'muster pki issue node node1', does: 'a week for node1, with the addresses that the cluster knows' },
    {
      line: 'muster pki issue node 4a3c9f0d5b8e4f1aa2c6d7e8f9012345 --address 10.0.0.7,node7.example.com',
      does: 'without asking an agent',
    },
  ],
  async run(context, { args: [typed = ''], flag, value }) {
    const subject = await findSubject(context, typed);
    const all = [
      ...subject.addresses,
      ...parseAddresses(value('address')),
      ...(subject.hostname === undefined ? [] : [subject.hostname]),
    ];
    const file = `nodes/${parseHolderName(subject.hostname ?? subject.id)}`;
    const addresses = [...new Set(all.map(parseAddress))];
    await issue(context, { value, flag }, { role: 'node', name: subject.id, file, addresses });
    return exitCodes.done;
  },
});

async function findSubject(context: Context, typed: string): Promise<Subject> {
  if (/^[0-9a-f]{32}$/.test(typed)) return { id: parseNodeId(typed), hostname: undefined, addresses: [] };
  const { node } = await (await context.client()).inspectNode(typed, context.signal);
  return { id: node.id, hostname: node.hostname, addresses: [node.advertise, ...node.addresses] };
}
