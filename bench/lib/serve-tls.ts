import type { BenchCluster } from './bench-cluster.ts';

const folder = '/etc/muster/pki';
const dropIn = '/run/systemd/system/muster.service.d/serve-tls.conf';

/** Has every agent listen on TCP, with certificates of a CA that one of the nodes makes: agents reach each other from then on. */
export async function serveTls(bench: BenchCluster): Promise<void> {
  const { nodes } = bench;
  const [first] = nodes;
  if (first === undefined) throw new Error('Cannot make certificates: expected a node');
  await first.run(['muster', 'pki', 'init', '--force', '--dir', folder]);
  const ca = await first.readFile(`${folder}/ca.pem`);
  for (const node of nodes) {
    await first.run(['muster', 'pki', 'issue', 'node', node.name, '--force', '--dir', folder]);
    const issued = async (suffix: string) => first.readFile(`${folder}/nodes/${node.name}${suffix}.pem`);
    const [cert, key] = [await issued(''), await issued('-key')];
    await node.run(['mkdir', '-p', folder]);
    await node.writeFile(`${folder}/ca.pem`, ca);
    await node.writeFile(`${folder}/node.pem`, cert);
    await node.writeFile(`${folder}/node-key.pem`, key, 0o600);
    await node.writeFile(dropIn, '[Service]\nEnvironment=MUSTER_API_LISTEN=0.0.0.0:2773\n');
  }
  for (const node of nodes) {
    await node.run(['systemctl', 'daemon-reload']);
    await node.run(['systemctl', 'restart', 'muster.service']);
  }
  await bench.awaitWhole();
}

/** Takes that back. */
export async function serveTlsNoMore(bench: BenchCluster): Promise<void> {
  for (const node of bench.nodes) {
    await node.run(['rm', '-rf', dropIn, folder]);
    await node.run(['systemctl', 'daemon-reload']);
    await node.run(['systemctl', 'restart', 'muster.service']);
  }
  await bench.awaitWhole();
}
