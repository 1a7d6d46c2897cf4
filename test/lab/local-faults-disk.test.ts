import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import { watchCalm } from './scenario/calm.ts';
import type { Cluster } from './scenario/cluster.ts';
import { sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

const onNode = (node: LabNode, more: readonly string[] = []) => ['[X-Muster]', `MachineID=${node.machineId}`, ...more];
const placement = (node: LabNode) => `placement: {machineId: "${node.machineId}"}`;

async function passTime(what: string, ms: number): Promise<void> {
  const beganMs = performance.now();
  await eventually(what, ms + 10_000, () => performance.now() - beganMs > ms, 250);
}

/** Writes until the file system takes no more. */
async function fill(node: LabNode, folder: string): Promise<void> {
  const script = 'for bs in 1M 4k 1; do dd if=/dev/zero bs=$bs >>"$1" 2>/dev/null || true; done';
  await node.run(['sh', '-c', script, 'sh', `${folder}/fill`], { timeoutMs: 60_000 });
}

const empty = async (node: LabNode, folder: string) => node.run(['rm', '-f', `${folder}/fill`]);

/** Clients that connect to the agent and say nothing, more of them than it has descriptors. */
const crowdScript = `
import socket, time
crowd = []
for _ in range(300):
    one = socket.socket(socket.AF_UNIX)
    one.setblocking(False)
    try:
        one.connect('/run/muster/muster.sock')
    except BlockingIOError:
        pass
    crowd.append(one)
time.sleep(40)
`;

/** One of each kind on the node, healthy. */
async function begin(cluster: Cluster, node: LabNode): Promise<readonly string[]> {
  await cluster.applyAll({
    'old.service': sleeper([], onNode(node)),
    old: sleepingContainer('old', [placement(node)]),
  });
  return cluster.identities([node]);
}

scenarios('local faults of disks', (scenario) => {
  scenario('/run full: what cannot start says so, what runs is undisturbed, and there is no loop', async (cluster) => {
    const node = cluster.lab.node('node2');
    const before = await begin(cluster, node);
    const calm = await watchCalm(node);
    const { stdout } = await node.run(['df', '--block-size=1K', '--output=size,used', '/run']);
    const [sizeKb = 0, usedKb = 0] = (stdout.split('\n')[1] ?? '').trim().split(/\s+/).map(Number);
    await node.run(['mount', '-o', `remount,size=${usedKb + 512}k`, '/run']);
    try {
      await fill(node, '/run');
      await cluster.apply('new.service', sleeper([], onNode(node)), ['--no-wait']);
      await cluster.awaitRows('new.service', 'failed, with the reason', 15_000, ([row]) => {
        return row?.phase === 'failed' && /Cannot (write|start)/.test(row.lastError ?? '');
      });
      await passTime('some seconds', 15_000);
      assert.deepEqual(await cluster.identities([node]), before, 'what ran is undisturbed');
      await cluster.awaitJoined(node);
      await empty(node, '/run');
      await cluster.awaitRunning('new.service', 1, 60_000);
    } finally {
      await empty(node, '/run');
      await node.run(['mount', '-o', `remount,size=${sizeKb}k`, '/run']);
    }
    await calm('/run full');
  });

  scenario('/var full: instances start, what could not be kept is told of and kept later', async (cluster) => {
    const node = cluster.lab.node('node2');
    const before = await begin(cluster, node);
    const calm = await watchCalm(node);
    const folder = '/var/lib/muster';
    await node.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
    try {
      await fill(node, folder);
      await cluster.apply('new.service', sleeper([], onNode(node, ['OfflineStart=yes'])));
      const told = async () =>
        (await node.journal('muster.service', { output: 'cat' })).match(/last known orders not written/g)?.length;
      await eventually('told of', 10_000, async () => ((await told()) ?? 0) > 0);
      await passTime('some seconds', 15_000);
      assert.equal(await told(), 1, 'once');
      await empty(node, folder);
      await eventually('kept', 60_000, async () => {
        return (await node.readFile(`${folder}/last-known-orders`)).includes('new.service/0');
      });
    } finally {
      await node.run(['umount', folder]);
    }
    const now = await cluster.identities([node]);
    assert.deepEqual(
      now.filter((line) => !line.startsWith('new')),
      before,
    );
    await calm('/var full');
  });

  scenario(
    "Docker's disk full: a container that cannot be made says so, and is once there is room",
    async (cluster) => {
      const node = cluster.lab.node('node2');
      const root = '/var/lib/docker';
      const stopDocker = async () => node.run(['systemctl', 'stop', 'docker.socket', 'docker.service']);
      await stopDocker();
      await node.run(['mount', '-t', 'tmpfs', '-o', 'size=64M', 'tmpfs', root]);
      try {
        await node.run(['systemctl', 'start', 'docker']);
        const before = await begin(cluster, node);
        const calm = await watchCalm(node);
        await fill(node, root);
        await cluster.apply('new', sleepingContainer('new', [placement(node)]), ['--no-wait']);
        await cluster.awaitRows('new', 'failed, with the reason', 30_000, ([row]) => {
          return row?.phase === 'failed' && /no space left/.test(row.lastError ?? '');
        });
        await passTime('some seconds', 15_000);
        assert.deepEqual(await cluster.identities([node]), before, 'what ran is undisturbed');
        await empty(node, root);
        await cluster.awaitRunning('new', 1, 90_000);
        await calm("Docker's disk full");
        await cluster.muster(['rm', 'new', 'old', 'old.service']);
      } finally {
        await stopDocker();
        await node.run(['sh', '-c', `umount ${root} || umount --lazy ${root}`]);
        await node.run(['systemctl', 'start', 'docker']);
      }
    },
  );

  scenario(
    'out of file descriptors: what runs goes on, what cannot be done says so, and is done later',
    async (cluster) => {
      const node = cluster.lab.node('node2');
      const before = await begin(cluster, node);
      const dropIn = '/etc/systemd/system/muster.service.d/50-files.conf';
      const restart = async () => node.run(['sh', '-c', 'systemctl daemon-reload && systemctl restart muster']);
      await node.writeFile(dropIn, '[Service]\nLimitNOFILE=100\n');
      try {
        await restart();
        await cluster.awaitJoined(node);
        const calm = await watchCalm(node);
        const crowd = node.run(['python3', '-c', crowdScript], { timeoutMs: 60_000 });
        await eventually('no descriptor is left', 10_000, async () => {
          const pid = await node.mainPid('muster.service');
          return Number((await node.run(['sh', '-c', `ls /proc/${pid}/fd | wc -l`])).stdout) >= 98;
        });
        await cluster.apply('new.service', sleeper([], onNode(node)), ['--no-wait']);
        await cluster.apply('new', sleepingContainer('new', [placement(node)]), ['--no-wait']);
        await passTime('some seconds', 30_000);
        assert.deepEqual(
          (await cluster.identities([node])).filter((line) => !line.includes('new')),
          before,
          'what ran is undisturbed',
        );
        await calm('out of file descriptors');
        await crowd;
      } finally {
        await node.run(['rm', dropIn]);
        await restart();
      }
      await cluster.awaitJoined(node);
      await cluster.awaitRunning('new.service', 1, 30_000);
      await cluster.awaitRunning('new', 1, 30_000);
      assert.deepEqual(
        (await cluster.identities([node])).filter((line) => !line.includes('new')),
        before,
      );
    },
  );
});
