import assert from 'node:assert/strict';
import { eventually } from '../../support/eventually.ts';
import type { LabNode } from '../lab-node.ts';
import { watchCalm } from '../scenario/calm.ts';
import { begin, containerOn, type LocalFault, oldIdentities, passTime, unitOn, workOf } from './own-work.ts';

/** What cannot be done is tried again within it, and once more not long after it. */
const PASS_MS = 8_000;

/** Writes until the file system takes no more. */
async function fill(node: LabNode, folder: string): Promise<void> {
  const script = 'for bs in 1M 4k 1; do dd if=/dev/zero bs=$bs >>"$1" 2>/dev/null || true; done';
  await node.run(['sh', '-c', script, 'sh', `${folder}/fill`], { timeoutMs: 60_000 });
}

const empty = async (node: LabNode, folder: string) => node.run(['rm', '-f', `${folder}/fill`]);

/** /run full: what cannot start says so, what runs is undisturbed, and there is no loop. */
export const runFull: LocalFault = async (cluster, node) => {
  const { newUnit } = workOf(node);
  const before = await begin(cluster, node);
  const calm = await watchCalm(node);
  const { stdout } = await node.run(['df', '--block-size=1K', '--output=size,used', '/run']);
  const [sizeKb = 0, usedKb = 0] = (stdout.split('\n')[1] ?? '').trim().split(/\s+/).map(Number);
  await node.run(['mount', '-o', `remount,size=${usedKb + 512}k`, '/run']);
  try {
    await fill(node, '/run');
    await cluster.apply(newUnit, unitOn(node), ['--no-wait']);
    await cluster.awaitRows(newUnit, 'failed, with the reason', 15_000, ([row]) => {
      return row?.phase === 'failed' && /Cannot (write|start)/.test(row.lastError ?? '');
    });
    await passTime('some seconds', PASS_MS);
    assert.deepEqual(await cluster.identities([node]), before, 'what ran is undisturbed');
    await cluster.awaitJoined(node);
    await empty(node, '/run');
    await cluster.awaitRunning(newUnit, 1, 60_000);
  } finally {
    await empty(node, '/run');
    await node.run(['mount', '-o', `remount,size=${sizeKb}k`, '/run']);
  }
  await calm('/run full');
  await cluster.muster(['rm', newUnit]);
};

/** /var full: instances start, what could not be kept is told of and kept later. */
export const varFull: LocalFault = async (cluster, node) => {
  const { newUnit } = workOf(node);
  const before = await begin(cluster, node);
  const calm = await watchCalm(node);
  const folder = '/var/lib/muster';
  await node.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  try {
    await fill(node, folder);
    const since = `@${Date.now() / 1_000}`;
    await cluster.apply(newUnit, unitOn(node, ['OfflineStart=yes']));
    const told = async () =>
      (await node.journal('muster.service', { since, output: 'cat' })).match(/last known orders not written/g)?.length;
    await eventually('told of', 10_000, async () => ((await told()) ?? 0) > 0);
    await passTime('some seconds', PASS_MS);
    assert.equal(await told(), 1, 'once');
    await empty(node, folder);
    await eventually('kept', 60_000, async () => {
      return (await node.readFile(`${folder}/last-known-orders`)).includes(`${newUnit}/0`);
    });
  } finally {
    await node.run(['umount', folder]);
  }
  assert.deepEqual(await oldIdentities(cluster, node), before);
  await calm('/var full');
  await cluster.muster(['rm', newUnit]);
};

/** Docker's disk full: a container that cannot be made says so, and is once there is room. Leaves dockerd without the containers it had. */
export const dockerFull: LocalFault = async (cluster, node) => {
  const { unit, container, newContainer } = workOf(node);
  const root = '/var/lib/docker';
  const stopDocker = async () => node.run(['systemctl', 'stop', 'docker.socket', 'docker.service']);
  await stopDocker();
  await node.run(['mount', '-t', 'tmpfs', '-o', 'size=64M', 'tmpfs', root]);
  try {
    await node.run(['systemctl', 'start', 'docker']);
    const before = await begin(cluster, node);
    const calm = await watchCalm(node);
    await fill(node, root);
    await cluster.apply(newContainer, containerOn(node, newContainer), ['--no-wait']);
    await cluster.awaitRows(newContainer, 'failed, with the reason', 30_000, ([row]) => {
      return row?.phase === 'failed' && /no space left/.test(row.lastError ?? '');
    });
    await passTime('some seconds', PASS_MS);
    assert.deepEqual(await cluster.identities([node]), before, 'what ran is undisturbed');
    await empty(node, root);
    await cluster.awaitRunning(newContainer, 1, 90_000);
    await calm("Docker's disk full");
    await cluster.muster(['rm', newContainer, container, unit]);
  } finally {
    await stopDocker();
    await node.run(['sh', '-c', `umount ${root} || umount --lazy ${root}`]);
    await node.run(['systemctl', 'start', 'docker']);
  }
};
