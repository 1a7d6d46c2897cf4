import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { askSocket, FleetClient } from './scenario/fleet-client.ts';
import { sleeper } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/*
 * fleet's own functional tests, and where each is:
 *
 * UnitRunnable, UnitSubmit, UnitLoad, UnitStart and their Replace forms, UnitRestart, UnitCat, UnitStatus, UnitSSHActions
 * (status and journal), ListUnitFilesOrder, SystemdUnitFlow, InstallUnit, MachinesList, MachinesPatch…   here
 * SingleNodeConnectivityLoss                              here, and in etcd-fails
 * Schedule…, TemplatesWithSpecifiersInMetadata            fleet-scheduling
 * DynamicClusterNewMemberUnitMigration, NodeShutdown      a-machine-leaves-in-order, a-dead-node-is-replaced
 * DynamicClusterMemberReboot                              a-machine-leaves-in-order, all-nodes-reboot
 * DetectMachineId                                         identities-are-kept-apart
 * Shutdown, ShutdownVsMonitor                             an-agent-restart-disturbs-nothing, etcd-fails
 * MachinesListBadNextPageToken, MachinesPatchBad          test/unit/fleet/api.test.ts
 * ClientVersionFlag, ClientHelpFlag, FleetctlWithEnv      test/unit/cli: muster's own command
 * KnownHostsVerification, TunnelScheduleBatchUnits        none: nothing goes through ssh
 * ReconfigureServer                                       test/unit/cli/main.test.ts: SIGHUP ends nothing, and reloads nothing
 */

/** systemd's words of a unit on a node. */
async function words(node: LabNode, unit: string): Promise<string> {
  const { stdout } = await node.run(['systemctl', 'show', '--property=LoadState,ActiveState', '--value', unit]);
  return stdout.split('\n').join(' ');
}

async function becomes(node: LabNode, unit: string, expected: string): Promise<void> {
  await eventually(`${unit} ${expected} on ${node.name}`, 15_000, async () => {
    const now = await words(node, unit);
    if (now === expected) return true;
    throw new Error(now);
  });
}

async function homeOf(cluster: Cluster, name: string): Promise<LabNode> {
  const [row] = await cluster.rows(name);
  return cluster.lab.node(row?.node?.hostname ?? '');
}

/** `name` to what fleet's client lists of it behind its hash: desired and current state. */
async function listed(client: FleetClient): Promise<Record<string, string>> {
  const { out } = await client.run('list-unit-files');
  return Object.fromEntries(out.map((row) => [row.split(' ')[0], row.split(' ').slice(2, 4).join(' ')]));
}

async function lists(client: FleetClient, expected: Readonly<Record<string, string>>): Promise<void> {
  await eventually(`${Object.keys(expected).join(', ')} listed`, 20_000, async () => {
    assert.deepEqual(await listed(client), expected);
    return true;
  });
}

const pinned = ['[X-Fleet]', 'MachineOf=main.service'];
const sidekick = [
  ...['[Unit]', 'BindsTo=main.service', 'After=main.service'],
  ...['[Service]', 'ExecStart=/bin/sleep infinity', '[Install]', 'WantedBy=main.service', ...pinned, ''],
].join('\n');
const ticked = ['[Service]', 'Type=oneshot', 'ExecStart=/bin/touch /run/ticked', ...pinned, ''].join('\n');
const timer = ['[Timer]', 'OnActiveSec=500ms', 'AccuracySec=100ms', 'Unit=tick.service', ...pinned, ''].join('\n');

scenarios("fleet's own client", (scenario) => {
  scenario('submits, loads, starts, restarts, replaces, stops, unloads and destroys units', async (cluster) => {
    const [first] = cluster.nodes;
    if (first === undefined) throw new RangeError('three nodes');
    const client = new FleetClient(first);
    const text = '[Unit]\nDescription=One\n\n[Service]\nExecStart=/bin/sleep infinity\n';
    client.files.set('hello.service', text);
    await client.run('submit hello');
    assert.deepEqual(await cluster.runners(), []);
    assert.equal((await client.run('cat hello')).out.join(''), text);
    await client.run('load hello');
    const node = await homeOf(cluster, 'hello.service');
    assert.equal(await words(node, 'hello.service'), 'loaded inactive');
    await client.run('start hello');
    assert.equal(await words(node, 'hello.service'), 'loaded active');
    const pid = await node.mainPid('hello.service');
    await client.run('restart hello');
    await eventually('another process', 10_000, async () => ![0, pid].includes(await node.mainPid('hello.service')));
    await client.run('stop hello');
    assert.equal(await words(node, 'hello.service'), 'loaded inactive');
    await client.run('start hello');
    client.files.set('hello.service', text.replace('One', 'Two'));
    assert.match((await client.run('start hello')).out.join('\n'), /WARNING/);
    await client.run('start --replace hello');
    const home = await homeOf(cluster, 'hello.service');
    const { stdout } = await home.run(['systemctl', 'show', '--property=Description', '--value', 'hello.service']);
    assert.equal(stdout, 'Two');
    const [row] = (await client.run('list-units')).out;
    assert.match(
      row ?? '',
      new RegExp(`^hello.service ${home.machineId.slice(0, 8)}\\.\\.\\./${home.address} active running`),
    );
    const status = (await new FleetClient(home).run('status hello')).out.join();
    assert.equal(status, 'local: systemctl status -l hello.service', 'its own machine needs no ssh');
    assert.equal((await client.run('list-machines')).out.length, 3);
    await client.run('unload hello');
    await becomes(home, 'hello.service', 'not-found inactive');
    await client.run('destroy hello');
    await eventually('all gone', 5_000, async () => (await cluster.workloads()).length === 0);

    client.files.set('job@.service', sleeper(['Environment=WHO=%i']));
    await client.run('submit job@');
    client.files.clear();
    await client.run('start job@a job@b');
    assert.deepEqual(await listed(client), {
      'job@.service': 'inactive inactive',
      'job@a.service': 'launched launched',
      'job@b.service': 'launched launched',
    });
    await client.run('destroy --no-block job@a job@b job@');
    const patch = [{ op: 'add', path: `/${first.machineId}/metadata/disk`, value: 'ssd' }];
    const change = async (body: object) =>
      askSocket(first, new Request('http://socket/fleet/v1/machines', { method: 'PATCH', body: JSON.stringify(body) }));
    assert.equal((await change(patch)).status, 204);
    assert.match((await client.run('list-machines')).out.join('\n'), /disk=ssd/);
    assert.equal((await change([{ op: 'remove', path: patch[0]?.path }])).status, 204);
  });

  scenario(
    'leaves what is loaded to its timer and to what wants it, whatever becomes of the agent and etcd',
    async (cluster) => {
      const [first] = cluster.nodes;
      if (first === undefined) throw new RangeError('three nodes');
      const client = new FleetClient(first);
      for (const [name, text] of Object.entries({ 'main.service': sleeper(), 'side.service': sidekick }))
        client.files.set(name, text);
      for (const [name, text] of Object.entries({ 'tick.service': ticked, 'tick.timer': timer }))
        client.files.set(name, text);
      client.files.set('all.service', sleeper([], ['[X-Fleet]', 'Global=true']));
      await client.run('load main side tick.service');
      const node = await homeOf(cluster, 'main.service');
      await client.run('load all');
      for (const unit of ['main.service', 'side.service', 'tick.service']) await becomes(node, unit, 'loaded inactive');
      for (const each of cluster.nodes) await becomes(each, 'all.service', 'loaded inactive');
      await client.run('start main');
      await becomes(node, 'side.service', 'loaded active');
      await client.run('start tick.timer');
      await eventually(
        'what the timer starts',
        10_000,
        async () => (await node.run(['ls', '/run/ticked'])).exitCode === 0,
      );
      const before = {
        'all.service': 'loaded -',
        'main.service': 'launched launched',
        'side.service': 'loaded loaded',
        'tick.service': 'loaded loaded',
        'tick.timer': 'launched launched',
      };
      await lists(client, before);
      const pids = await Promise.all(['main.service', 'side.service'].map(async (unit) => node.mainPid(unit)));
      await node.killProcess('muster');
      await Promise.all(cluster.nodes.map(async (each) => each.run(['systemctl', 'stop', 'etcd'])));
      await eventually('nobody answers', 20_000, async () => {
        const answer = await askSocket(first, new Request('http://socket/fleet/v1/units'));
        return answer.status === 503;
      });
      await Promise.all(cluster.nodes.map(async (each) => each.run(['systemctl', 'start', 'etcd'])));
      await cluster.lab.awaitEtcd();
      await Promise.all(cluster.nodes.map(async (each) => cluster.awaitJoined(each)));
      await lists(client, before);
      const after = await Promise.all(['main.service', 'side.service'].map(async (unit) => node.mainPid(unit)));
      assert.deepEqual(after, pids, 'nothing was stopped');
      for (const each of cluster.nodes) assert.equal(await words(each, 'all.service'), 'loaded inactive');
      await client.run('stop main');
      await becomes(node, 'side.service', 'loaded inactive');
    },
  );
});
