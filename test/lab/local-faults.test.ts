import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import { watchCalm } from './scenario/calm.ts';
import type { Cluster } from './scenario/cluster.ts';
import { sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/** Runtimes are audited this often even if nothing told of a change. */
const auditMs = 60_000;

const onNode = (node: LabNode) => ['[X-Muster]', `MachineID=${node.machineId}`];
const placement = (node: LabNode) => `placement: {machineId: "${node.machineId}"}`;

async function passTime(what: string, ms: number): Promise<void> {
  const beganMs = performance.now();
  await eventually(what, ms + 10_000, () => performance.now() - beganMs > ms, 250);
}

/** One of each kind on the node, healthy. */
async function begin(cluster: Cluster, node: LabNode): Promise<readonly string[]> {
  await cluster.applyAll({
    'hand.service': sleeper([], onNode(node)),
    hand: sleepingContainer('hand', [placement(node)]),
  });
  return cluster.identities([node]);
}

async function containersOf(node: LabNode): Promise<readonly string[]> {
  const format = '{{.Names}} {{.State}}';
  const argv = ['docker', 'ps', '--all', '--filter', 'label=muster.managed=true', '--format', format];
  return (await node.run(argv)).stdout.split('\n').filter((line) => line !== '');
}

/** A new unit and a new container start on the node, and go. */
async function assertWorks(cluster: Cluster, node: LabNode): Promise<void> {
  await cluster.applyAll({
    'news.service': sleeper([], onNode(node)),
    news: sleepingContainer('news', [placement(node)]),
  });
  await cluster.muster(['rm', 'news', 'news.service']);
}

scenarios('local faults', (scenario) => {
  scenario(
    'a unit file removed by hand is put back, a changed one is told of until it starts anew',
    async (cluster) => {
      const node = cluster.lab.node('node2');
      const before = await begin(cluster, node);
      const file = '/run/systemd/system/hand.service';
      const calm = await watchCalm(node);
      await node.run(['rm', file]);
      await eventually('the file is there again', auditMs + 10_000, async () => {
        return (await node.run(['test', '-f', file], { reject: false })).exitCode === 0;
      });
      assert.deepEqual(await cluster.identities([node]), before, 'nothing was restarted');
      await node.run(['sh', '-c', `echo 'Environment=BY=hand' >>${file} && systemctl daemon-reload`]);
      const [row] = await cluster.awaitRows('hand.service', 'told of', 10_000, ([one]) =>
        /changed by hand/.test(one?.lastError ?? ''),
      );
      assert.equal(row?.phase, 'running');
      await cluster.muster(['stop', 'hand.service']);
      await cluster.muster(['start', 'hand.service']);
      await cluster.awaitRows('hand.service', 'right again', 10_000, ([one]) => {
        return one?.phase === 'running' && one.healthy && one.lastError === undefined;
      });
      assert.doesNotMatch(await node.readFile(file), /BY=hand/);
      await node.run(['rm', file]);
      await cluster.muster(['rm', 'hand.service']);
      assert.notEqual((await node.run(['systemctl', 'is-active', 'hand.service'], { reject: false })).exitCode, 0);
      await calm('unit file removed and changed');
    },
  );

  scenario(
    'a container removed by hand is made anew, a renamed one is not doubled, a paused one is told of',
    async (cluster) => {
      const node = cluster.lab.node('node2');
      await begin(cluster, node);
      const calm = await watchCalm(node);
      await node.run(['docker', 'rm', '--force', 'muster-hand.0']);
      const isAlone = async (line: string) => (await containersOf(node)).join() === line;
      await eventually('made anew', 15_000, async () => isAlone('muster-hand.0 running'));
      await cluster.awaitRunning('hand', 1, 15_000);

      await node.run(['docker', 'rename', 'muster-hand.0', 'other']);
      await cluster.awaitRows('hand', 'healthy', 15_000, ([one]) => one?.healthy === true);
      assert.ok(await isAlone('other running'), 'a rename is no end');
      await node.run(['docker', 'kill', 'other']);
      await eventually('one runs', 30_000, async () => {
        return (await containersOf(node)).filter((line) => line.endsWith(' running')).length === 1;
      });
      await cluster.awaitRunning('hand', 1, 15_000);

      const { stdout: id } = await node.run(['docker', 'ps', '--quiet', '--filter', 'label=muster.managed=true']);
      await node.run(['docker', 'pause', id]);
      const [paused] = await cluster.awaitRows('hand', 'told to be paused', 10_000, ([one]) =>
        /paused/.test(one?.lastError ?? ''),
      );
      assert.deepEqual([paused?.phase, paused?.healthy], ['running', false]);
      await node.run(['docker', 'unpause', id]);
      await cluster.awaitRows('hand', 'healthy again', 10_000, ([one]) => one?.healthy === true);
      await node.run(['docker', 'pause', id]);
      await cluster.muster(['rm', 'hand']);
      await eventually('all of it gone', 10_000, async () => (await containersOf(node)).length === 0);
      await calm('container removed, renamed and paused');
    },
  );

  scenario('dockerd away for a minute: told of, units go on, and no loop', async (cluster) => {
    const node = cluster.lab.node('node2');
    const before = await begin(cluster, node);
    const calm = await watchCalm(node);
    await node.run(['systemctl', 'stop', 'docker.socket', 'docker.service']);
    await cluster.awaitRows('hand', 'told of', 15_000, ([one]) => /docker/i.test(one?.lastError ?? ''));
    await cluster.apply('waiting', sleepingContainer('waiting', [placement(node)]), ['--no-wait']);
    await passTime('a minute', 60_000);
    await calm('dockerd away');
    await node.run(['systemctl', 'start', 'docker']);
    await cluster.awaitRunning('waiting', 1, 20_000);
    await cluster.awaitRows(
      'hand',
      'no more error',
      20_000,
      ([one]) => one?.lastError === undefined && one?.healthy === true,
    );
    await cluster.muster(['rm', 'waiting']);
    assert.deepEqual(await cluster.identities([node]), before, 'nothing was restarted');
  });

  scenario(
    'the bus away for 20 s, then systemd executed anew: told of, nothing disturbed, and no loop',
    async (cluster) => {
      const node = cluster.lab.node('node2');
      const before = await begin(cluster, node);
      const calm = await watchCalm(node);
      await node.run(['systemctl', 'stop', 'dbus.socket', 'dbus.service']);
      await cluster.awaitRows('hand.service', 'told of', 15_000, ([one]) => /systemd|bus/i.test(one?.lastError ?? ''));
      await passTime('20 s', 20_000);
      await node.run(['systemctl', 'start', 'dbus.socket', 'dbus.service']);
      await cluster.awaitRows('hand.service', 'no more error', 20_000, ([one]) => one?.lastError === undefined);
      for (let round = 0; round < 3; round += 1) await node.run(['systemctl', 'daemon-reexec']);
      await assertWorks(cluster, node);
      assert.deepEqual(await cluster.identities([node]), before, 'nothing was restarted');
      await calm('bus away, systemd executed anew');
    },
  );

  scenario('journald stopped, or hanging: the agent goes on', async (cluster) => {
    const node = cluster.lab.node('node2');
    const before = await begin(cluster, node);
    const calm = await watchCalm(node);
    const sockets = ['systemd-journald.socket', 'systemd-journald-dev-log.socket', 'systemd-journald-audit.socket'];
    await node.run(['systemctl', 'stop', ...sockets, 'systemd-journald.service'], { reject: false });
    await cluster.applyAll({ 'news.service': sleeper([], onNode(node)) });
    await cluster.apply('news', sleepingContainer('news', [placement(node)]), ['--no-wait']);
    await cluster.awaitRows('news', 'what Docker lacks, if it lacks it', 15_000, ([one]) => {
      return one?.phase === 'running' || /journald is not enabled/.test(one?.lastError ?? '');
    });
    await cluster.muster(['rm', 'news', 'news.service']);
    await node.run(['systemctl', 'start', 'systemd-journald.socket', 'systemd-journald.service']);
    const since = `@${Date.now() / 1_000}`;
    await assertWorks(cluster, node);
    await eventually('its lines are in the journal again', 15_000, async () => {
      return (await node.journal('muster.service', { since, output: 'cat' })).includes('action begins');
    });
    await node.freezeProcess('systemd-journald.service');
    // Each start and stop is some lines: more of them than a socket holds would stop whoever waits for journald.
    for (let round = 0; round < 10; round += 1) await assertWorks(cluster, node);
    await cluster.awaitJoined(node);
    await node.thawProcess('systemd-journald.service');
    assert.deepEqual(await cluster.identities([node]), before, 'nothing was restarted');
    await calm('journald stopped and hanging');
  });
});
