import assert from 'node:assert/strict';
import { eventually } from '../../support/eventually.ts';
import type { LabNode } from '../lab-node.ts';
import { watchCalm } from '../scenario/calm.ts';
import { begin, type LocalFault, workOf } from './own-work.ts';

/** Runtimes are audited this often even if nothing told of a change. */
const auditMs = 60_000;

/** A unit file removed by hand is put back, a changed one is told of until it starts anew. */
export const unitFileTouched: LocalFault = async (cluster, node) => {
  const { unit } = workOf(node);
  const before = await begin(cluster, node);
  const file = `/run/systemd/system/${unit}`;
  const calm = await watchCalm(node);
  await node.run(['rm', file]);
  await eventually('the file is there again', auditMs + 10_000, async () => {
    return (await node.run(['test', '-f', file], { reject: false })).exitCode === 0;
  });
  assert.deepEqual(await cluster.identities([node]), before, 'nothing was restarted');
  await node.run(['sh', '-c', `echo 'Environment=BY=hand' >>${file} && systemctl daemon-reload`]);
  const [row] = await cluster.awaitRows(unit, 'told of', 10_000, ([one]) =>
    /changed by hand/.test(one?.lastError ?? ''),
  );
  assert.equal(row?.phase, 'running');
  await cluster.muster(['stop', unit]);
  await cluster.muster(['start', unit]);
  await cluster.awaitRows(unit, 'right again', 10_000, ([one]) => {
    return one?.phase === 'running' && one.healthy && one.lastError === undefined;
  });
  assert.doesNotMatch(await node.readFile(file), /BY=hand/);
  await node.run(['rm', file]);
  await cluster.muster(['rm', unit]);
  assert.notEqual((await node.run(['systemctl', 'is-active', unit], { reject: false })).exitCode, 0);
  await calm('unit file removed and changed');
};

async function containersOf(node: LabNode, container: string): Promise<readonly string[]> {
  const argv = ['docker', 'ps', '--all', '--filter', `label=muster.workload=${container}`];
  const format = '{{.Names}} {{.State}}';
  return (await node.run([...argv, '--format', format])).stdout.split('\n').filter((line) => line !== '');
}

/** A container removed by hand is made anew, a renamed one is not doubled, a paused one is told of. */
export const containerTouched: LocalFault = async (cluster, node) => {
  const { container } = workOf(node);
  await begin(cluster, node);
  const calm = await watchCalm(node);
  const name = `muster-${container}.0`;
  const other = `other-${node.name}`;
  const running = async () =>
    (await containersOf(node, container)).filter((line) => line.endsWith(' running')).map((line) => line.split(' ')[0]);
  await node.run(['docker', 'rm', '--force', name]);
  await eventually('made anew', 15_000, async () => (await running()).join() === name);
  await cluster.awaitRunning(container, 1, 15_000);

  await node.run(['docker', 'rename', name, other]);
  await cluster.awaitRows(container, 'healthy', 15_000, ([one]) => one?.healthy === true);
  assert.deepEqual(await containersOf(node, container), [`${other} running`], 'a rename is no end');
  await node.run(['docker', 'kill', other]);
  await eventually('one runs', 30_000, async () => (await running()).length === 1);
  await cluster.awaitRunning(container, 1, 15_000);

  const [now = ''] = await running();
  await node.run(['docker', 'pause', now]);
  const [paused] = await cluster.awaitRows(container, 'told to be paused', 10_000, ([one]) =>
    /paused/.test(one?.lastError ?? ''),
  );
  assert.deepEqual([paused?.phase, paused?.healthy], ['running', false]);
  await node.run(['docker', 'unpause', now]);
  await cluster.awaitRows(container, 'healthy again', 10_000, ([one]) => one?.healthy === true);
  await node.run(['docker', 'pause', now]);
  await cluster.muster(['rm', container]);
  await eventually('all of it gone', 10_000, async () => (await containersOf(node, container)).length === 0);
  await calm('container removed, renamed and paused');
};
