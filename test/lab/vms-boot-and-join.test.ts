import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import { repository } from './paths.ts';
import { forwardTcp } from './scenario/forward-tcp.ts';
import { sleeper } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

scenarios('VMs boot and join', (scenario) => {
  scenario('three VMs that cloud-init has provisioned are one cluster with one leader', async (cluster) => {
    for (const node of cluster.nodes) {
      const seed = await node.readFile('/var/lib/cloud/seed/nocloud-net/user-data');
      assert.equal(seed, await readFile(join(repository, 'cloud-config/debian.yaml'), 'utf8'));
      const { stdout } = await cluster.muster(['wait', '--joined', '--timeout', '10s'], { on: node });
      assert.equal(stdout, `${node.name} has joined cluster ${cluster.lab.clusterId}`);
      await eventually('systemd is told', 10_000, async () => (await statusText(node)).startsWith('joined'));
    }
    await cluster.leader();
    const rows = await cluster.nodeRows();
    assert.deepEqual(rows.map(({ hostname, state }) => `${hostname} ${state}`).sort(), [
      'node1 up',
      'node2 up',
      'node3 up',
    ]);
    assert.equal(rows.filter(({ leader }) => leader).length, 1);
    for (const row of rows) {
      const node = cluster.lab.node(row.hostname);
      assert.equal(row.machineId, node.machineId);
      assert.equal(row.advertise, node.address);
      assert.deepEqual(row.labels, node.metadata.labels);
      assert.ok(row.runtimes.docker !== undefined && row.runtimes.systemd !== undefined);
      assert.notEqual(row.id, node.machineId, 'the node ID is the machine ID hashed');
    }
  });

  scenario('a node has neither Node.js nor the source tree', async ({ lab }) => {
    const { stdout } = await lab.node('node1').run(['sh', '-c', 'command -v node npm; ls /work 2>/dev/null; true']);
    assert.equal(stdout, '');
  });

  scenario('a VM that finds no etcd is ready, says why it waits, and joins when etcd comes', async (cluster) => {
    const [endpoint = ''] = cluster.lab.etcdEndpoints;
    const gateway = cluster.lab.registry.replace(/:\d+$/, '');
    const port = 23_790;
    const node = await cluster.lab.addNode({ etcdEndpoints: [`http://${gateway}:${port}`] });
    await eventually('READY without etcd', 30_000, async () => {
      return (await node.run(['systemctl', 'is-active', 'muster'], { reject: false })).stdout === 'active';
    });
    const { joined, status } = await cluster.stateOf(node);
    assert.equal(joined, false);
    assert.match(status, /etcd|store|endpoint|23790/i);
    await eventually('systemd is told the same', 10_000, async () => {
      return (await statusText(node)) === (await cluster.stateOf(node)).status;
    });
    const waited = await cluster.muster(['wait', '--joined', '--timeout', '1s'], { on: node, reject: false });
    assert.equal(waited.exitCode, 3);
    assert.match(waited.stderr, /Cannot see this node join within/);
    const restarts = await node.run(['systemctl', 'show', '--property=NRestarts', '--value', 'muster']);
    assert.equal(restarts.stdout, '0');
    const forward = await forwardTcp({ address: gateway, port, target: new URL(endpoint) });
    try {
      await cluster.awaitJoined(node, 15_000);
      await eventually('systemd is told', 10_000, async () => (await statusText(node)).startsWith('joined'));
      await cluster.apply('late.service', sleeper([], ['[X-Muster]', `MachineID=${node.machineId}`]), ['--no-wait']);
      const [row] = await cluster.awaitRunning('late.service', 1);
      assert.equal(row?.node?.hostname, node.name);
    } finally {
      forward.close();
    }
  });
});

/** What `systemctl status muster` shows. */
async function statusText(node: LabNode): Promise<string> {
  return (await node.run(['systemctl', 'show', '--property=StatusText', '--value', 'muster'])).stdout;
}
