import { cp, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cachedName, ensureCached } from '../lab/base-tree.ts';
import { command } from '../lab/command.ts';
import { withHostLock } from '../lab/host-lock.ts';
import type { Lab } from '../lab/lab.ts';
import type { LabNode } from '../lab/lab-node.ts';
import { sharedFolder } from '../lab/machine.ts';
import { cacheRoot } from '../lab/paths.ts';

const library = 'libfaketime.so.1';

/** Only what the agent believes of the time of day: the machines share the host's clock, which stays as it is. */
const environment = (node: LabNode): Readonly<Record<string, string>> => ({
  LD_PRELOAD: `${sharedFolder}/${library}`,
  FAKETIME_TIMESTAMP_FILE: `${sharedFolder}/clock-${node.name}`,
  FAKETIME_CACHE_DURATION: '1',
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
  NO_FAKE_STAT: '1',
});

/** Sees to it that the agents' clock can be stepped while they run; restarts them. */
export async function prepareClocks(lab: Lab): Promise<void> {
  const folder = await withHostLock(join(cacheRoot, 'lock'), fetchLibrary, () => undefined);
  await cp(join(folder, library), join(lab.logFolder, library));
  for (const node of lab.nodes) {
    await stepClock(lab, node, 0);
    const lines = Object.entries(environment(node)).map(([key, value]) => `Environment=${key}=${value}`);
    await node.writeFile('/etc/systemd/system/muster.service.d/50-clock.conf', `[Service]\n${lines.join('\n')}\n`);
    await node.run(['systemctl', 'daemon-reload']);
    await node.run(['systemctl', 'restart', 'muster']);
  }
}

/** From within a second on, the node's agent sees a time of day that is off by so much. */
export async function stepClock(lab: Lab, node: LabNode, offsetSeconds: number): Promise<void> {
  await writeFile(join(lab.logFolder, `clock-${node.name}`), `${offsetSeconds < 0 ? '' : '+'}${offsetSeconds}\n`);
}

/** Debian's package of it, unpacked once. */
async function fetchLibrary(): Promise<string> {
  return ensureCached(cachedName('faketime', 1), async (directory) => {
    await command(['apt-get', '-o', 'APT::Sandbox::User=root', 'download', 'libfaketime'], { cwd: directory });
    const file = (await readdir(directory)).find((entry) => entry.endsWith('.deb')) ?? '';
    await command(['dpkg', '-x', join(directory, file), join(directory, 'tree')]);
    await cp(join(directory, 'tree/usr/lib/x86_64-linux-gnu/faketime', library), join(directory, library));
  });
}
