import assert from 'node:assert/strict';
import { eventually } from '../../support/eventually.ts';
import { watchCalm } from '../scenario/calm.ts';
import {
  assertStarts,
  assertWorks,
  begin,
  containerOn,
  type LocalFault,
  oldIdentities,
  passTime,
  unitOn,
  workOf,
} from './own-work.ts';

/** Clients that connect to the agent and say nothing, more of them than it has descriptors, until they are told to go. */
const crowdOver = '/run/crowd-over';
const crowdScript = `
import os, socket, time
crowd = []
for _ in range(300):
    one = socket.socket(socket.AF_UNIX)
    one.setblocking(False)
    try:
        one.connect('/run/muster/muster.sock')
    except BlockingIOError:
        pass
    crowd.append(one)
until = time.monotonic() + 50
while time.monotonic() < until and not os.path.exists('${crowdOver}'):
    time.sleep(0.1)
`;

/** Out of file descriptors: what runs goes on, what cannot be done says so, and is done later. */
export const descriptorsTaken: LocalFault = async (cluster, node) => {
  const { newUnit, newContainer } = workOf(node);
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
    await cluster.apply(newUnit, unitOn(node), ['--no-wait']);
    await cluster.apply(newContainer, containerOn(node, newContainer), ['--no-wait']);
    await passTime('some seconds', 12_000);
    assert.deepEqual(await oldIdentities(cluster, node), before, 'what ran is undisturbed');
    await calm('out of file descriptors');
    await node.run(['touch', crowdOver]);
    await crowd;
  } finally {
    await node.run(['rm', '-f', dropIn, crowdOver]);
    await restart();
  }
  await cluster.awaitJoined(node);
  await cluster.awaitRunning(newUnit, 1, 30_000);
  await cluster.awaitRunning(newContainer, 1, 30_000);
  assert.deepEqual(await oldIdentities(cluster, node), before);
  await cluster.muster(['rm', newUnit, newContainer]);
};

/** dockerd away for a minute: told of, units go on, and no loop. */
export const dockerdAway: LocalFault = async (cluster, node) => {
  const { container, newContainer } = workOf(node);
  const before = await begin(cluster, node);
  const placed = async () => (await cluster.placements()).filter((line) => line.includes(`old-${node.name}`));
  const places = await placed();
  const calm = await watchCalm(node);
  await node.run(['systemctl', 'stop', 'docker.socket', 'docker.service']);
  await cluster.awaitRows(container, 'told of', 15_000, ([one]) => /docker/i.test(one?.lastError ?? ''));
  await cluster.apply(newContainer, containerOn(node, newContainer), ['--no-wait']);
  await passTime('a minute', 60_000);
  await calm('dockerd away');
  await node.run(['systemctl', 'start', 'docker']);
  await cluster.awaitRunning(newContainer, 1, 20_000);
  await cluster.awaitRows(
    container,
    'no more error',
    20_000,
    ([one]) => one?.lastError === undefined && one?.healthy === true,
  );
  await cluster.muster(['rm', newContainer]);
  assert.deepEqual(await cluster.identities([node]), before, 'nothing was restarted');
  assert.deepEqual(await placed(), places, 'nothing was moved');
};

/** The bus away for 20 s, then systemd executed anew: told of, nothing disturbed, and no loop. */
export const busAway: LocalFault = async (cluster, node) => {
  const { unit } = workOf(node);
  const before = await begin(cluster, node);
  const calm = await watchCalm(node);
  await node.run(['systemctl', 'stop', 'dbus.socket', 'dbus.service']);
  await cluster.awaitRows(unit, 'told of', 15_000, ([one]) => /systemd|bus/i.test(one?.lastError ?? ''));
  await passTime('20 s', 20_000);
  await node.run(['systemctl', 'start', 'dbus.socket', 'dbus.service']);
  await cluster.awaitRows(unit, 'no more error', 20_000, ([one]) => one?.lastError === undefined);
  for (let round = 0; round < 3; round += 1) await node.run(['systemctl', 'daemon-reexec']);
  await assertWorks(cluster, node);
  assert.deepEqual(await cluster.identities([node]), before, 'nothing was restarted');
  await calm('bus away, systemd executed anew');
};

/** journald stopped, or hanging: the agent goes on. */
export const journaldAway: LocalFault = async (cluster, node) => {
  const { newUnit, newContainer } = workOf(node);
  const before = await begin(cluster, node);
  const calm = await watchCalm(node);
  const sockets = ['systemd-journald.socket', 'systemd-journald-dev-log.socket', 'systemd-journald-audit.socket'];
  await node.run(['systemctl', 'stop', ...sockets, 'systemd-journald.service'], { reject: false });
  await cluster.applyAll({ [newUnit]: unitOn(node) });
  await cluster.apply(newContainer, containerOn(node, newContainer), ['--no-wait']);
  await cluster.awaitRows(newContainer, 'what Docker lacks, if it lacks it', 15_000, ([one]) => {
    return one?.phase === 'running' || /journald is not enabled/.test(one?.lastError ?? '');
  });
  await cluster.muster(['rm', newContainer, newUnit]);
  await node.run(['systemctl', 'start', 'systemd-journald.socket', 'systemd-journald.service']);
  const since = `@${Date.now() / 1_000}`;
  await assertWorks(cluster, node);
  await eventually('its lines are in the journal again', 15_000, async () => {
    return (await node.journal('muster.service', { since, output: 'cat' })).includes('action begins');
  });
  await node.freezeProcess('systemd-journald.service');
  // Each start and stop is some lines: more of them than a socket holds would stop whoever waits for journald.
  for (let round = 0; round < 10; round += 1) await assertStarts(cluster, node);
  await cluster.awaitJoined(node);
  await node.thawProcess('systemd-journald.service');
  assert.deepEqual(await cluster.identities([node]), before, 'nothing was restarted');
  await calm('journald stopped and hanging');
};
