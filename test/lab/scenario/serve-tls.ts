import { eventually } from '../../support/eventually.ts';
import type { LabNode } from '../lab-node.ts';
import type { Cluster } from './cluster.ts';

/** Where agents look for their certificates. */
export const pkiFolder = '/etc/muster/pki';
const dropIn = '/etc/systemd/system/muster.service.d/20-tls.conf';

/** What a file of scenarios may want otherwise. */
export interface ServeTlsOptions {
  /** How long certificates are good: a text as `--lifetime` takes it. */
  readonly lifetime?: string;
}

/**
 * Has the API of every node listen on TCP. The first node makes the CA and keeps its key, and makes its own certificate; the others are
 * given theirs as an operator would, before their agents are told to listen.
 */
export async function serveTls(cluster: Cluster, options: ServeTlsOptions = {}): Promise<void> {
  const [first, ...others] = cluster.nodes;
  if (first === undefined) throw new Error('Cannot make certificates: expected a node');
  const lifetime = options.lifetime ?? '1h';
  await first.run(['muster', 'pki', 'init', '--force', '--dir', pkiFolder]);
  const ca = await first.readFile(`${pkiFolder}/ca.pem`);
  for (const node of others) {
    await first.run([
      'muster',
      'pki',
      'issue',
      'node',
      node.name,
      '--force',
      '--dir',
      pkiFolder,
      '--lifetime',
      lifetime,
    ]);
    const issued = async (suffix: string) => first.readFile(`${pkiFolder}/nodes/${node.name}${suffix}.pem`);
    await node.writeFile(`${pkiFolder}/ca.pem`, ca);
    await node.writeFile(`${pkiFolder}/node-key.pem`, await issued('-key'), 0o600);
    await node.writeFile(`${pkiFolder}/node.pem`, await issued(''));
  }
  const signs = [`MUSTER_PKI_CA_KEY=${pkiFolder}/ca-key.pem`, `MUSTER_PKI_LIFETIME=${lifetime}`];
  for (const node of cluster.nodes) {
    const variables = ['MUSTER_API_LISTEN=0.0.0.0:2773', ...(node === first ? signs : [])];
    await node.writeFile(dropIn, `[Service]\nEnvironment=${variables.join(' ')}\n`);
  }
  await restartAgents(cluster);
  for (const node of cluster.nodes) {
    await eventually(`the API of ${node.name} on TCP`, 20_000, async () => {
      const { stdout } = await node.run(['ss', '-ltn']);
      return stdout.includes(':2773 ');
    });
  }
}

/** Takes that back. */
export async function serveTlsNoMore(cluster: Cluster): Promise<void> {
  for (const node of cluster.nodes) await node.run(['rm', '-rf', dropIn, pkiFolder]);
  await restartAgents(cluster);
}

/** The files of a certificate that the first node issues to somebody, as texts. */
export async function issueOperator(
  cluster: Cluster,
  name: string,
  options: readonly string[] = [],
): Promise<Readonly<Record<'ca' | 'cert' | 'key', string>>> {
  const [first] = cluster.nodes;
  if (first === undefined) throw new Error('Cannot issue a certificate: expected a node');
  await first.run(['muster', 'pki', 'issue', 'operator', name, '--force', '--dir', pkiFolder, ...options]);
  const read = async (path: string) => first.readFile(`${pkiFolder}/${path}.pem`);
  return { ca: await read('ca'), cert: await read(`operators/${name}`), key: await read(`operators/${name}-key`) };
}

async function restartAgents(cluster: Cluster): Promise<void> {
  const restart = async (node: LabNode) =>
    node.run(['sh', '-c', 'systemctl daemon-reload && systemctl restart muster.service']);
  await Promise.all(cluster.nodes.map(restart));
  await Promise.all(cluster.nodes.map(async (node) => cluster.awaitJoined(node)));
  await cluster.leader();
}
