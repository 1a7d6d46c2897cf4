import { existsSync } from 'node:fs';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { command } from './command.ts';
import { ControlGroup } from './control-groups.ts';
import { withHostLock } from './host-lock.ts';
import { restoreHostSettings } from './host-settings.ts';
import { deadLabs, labNumbers } from './ownership.ts';
import { type LabNames, labNames, stateRoot } from './paths.ts';

/** Held while host settings or the list of labs change. */
export const hostLock = join(stateRoot, 'lock');
/** Held while a lab is removed: its guard and whoever opens the next lab may begin that at the same time. */
const removalLock = join(stateRoot, 'removal-lock');

/** Removes every trace of a lab, whoever made it and however far it got; all is found by the lab's number. */
export async function removeLab(number: number): Promise<void> {
  await withHostLock(removalLock, async () => removeAll(number));
}

async function removeAll(number: number): Promise<void> {
  const names = labNames(number);
  const group = new ControlGroup(names.group, false);
  await group.kill();
  await unmountAll(names);
  await removeNetwork(names);
  await group.remove();
  await removeNspawnNotes(names);
  await rm(names.data, { recursive: true, force: true });
  await withHostLock(hostLock, async () => {
    await rm(names.state, { recursive: true, force: true });
    if ((await labNumbers()).length === 0) await restoreHostSettings();
  });
}

/** Cleans up after labs whose owner is gone. */
export async function removeDeadLabs(progress: (line: string) => void): Promise<void> {
  for (const number of await deadLabs()) {
    progress(`lab ${number}: its owner is gone, cleaning up`);
    await removeLab(number);
  }
}

async function unmountAll({ data }: LabNames): Promise<void> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => line.split(' ')[4] ?? '');
  for (const target of mounts.filter((path) => path.startsWith(`${data}/`)).reverse()) {
    const { dev, ino } = await stat(target);
    await eventually(`umount ${target}`, 10_000, async () => command(['umount', target]));
    await rm(`/run/systemd/nspawn/locks/inode-${dev}:${ino}`, { force: true });
  }
}

async function removeNetwork({ prefix, bridge, table }: LabNames): Promise<void> {
  const links = (await readdir('/sys/class/net')).filter((link) => link.startsWith(prefix) || link === bridge);
  for (const link of links) await command(['ip', 'link', 'del', link], { reject: false });
  const namespaces = await readdir('/run/netns').catch(() => []);
  for (const name of namespaces)
    if (name.startsWith(prefix)) await command(['ip', 'netns', 'del', name], { reject: false });
  await command(['nft', 'delete', 'table', 'bridge', table], { reject: false });
}

async function removeNspawnNotes({ prefix }: LabNames): Promise<void> {
  const folder = '/run/systemd/nspawn/propagate';
  if (!existsSync(folder)) return;
  for (const name of await readdir(folder)) {
    if (name.startsWith(prefix)) await rm(join(folder, name), { recursive: true, force: true });
  }
}
