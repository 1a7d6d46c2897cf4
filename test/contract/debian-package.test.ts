import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { buildDebianPackage } from '../../scripts/lib/debian-package.ts';
import { openBus } from '../../src/bus/open-bus.ts';
import { openDeadMansSwitch } from '../../src/host/dead-mans-switch.ts';
import { silentLog } from '../../src/loop/log.ts';
import { systemClock } from '../../src/loop/system-clock.ts';
import { eventually } from '../support/eventually.ts';
import { bootSystemdMachine, lackedBySystemdMachine, type SystemdMachine } from '../support/systemd-machine.ts';

/** Instead of the executable, which is large: says that it's ready, as the agent does, and stays. */
const standIn = `#!/usr/bin/python3
import os, socket, time
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
time.sleep(100000)
`;

const lacks = await lackedBySystemdMachine();

/** A Debian machine with systemd, the package on it, and nothing of muster. */
class Place {
  readonly machine: SystemdMachine;

  constructor(machine: SystemdMachine) {
    this.machine = machine;
  }

  static async open(): Promise<Place> {
    const folder = await mkdtemp(join(tmpdir(), 'muster-package-'));
    try {
      const executable = join(folder, 'stand-in');
      await writeFile(executable, standIn);
      const file = await buildDebianPackage({ executable, folder, compression: 'none' });
      const place = new Place(await bootSystemdMachine());
      await copyFile(file, join(place.machine.root, 'opt/muster.deb'));
      return place;
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  async dpkg(...args: readonly string[]): Promise<string> {
    const path = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin';
    const { stdout } = await this.machine.run(['env', path, 'DEBIAN_FRONTEND=noninteractive', 'dpkg', ...args]);
    return stdout;
  }

  async configure(): Promise<void> {
    await mkdir(join(this.machine.root, 'etc/muster'), { recursive: true });
    await writeFile(join(this.machine.root, 'etc/muster/muster.yaml'), 'cluster: test\n');
  }

  /** What systemd says of the agent's unit: whether it's active, whether it's enabled, its process. */
  async agent(): Promise<{ readonly active: string; readonly enabled: string; readonly pid: string }> {
    const properties = '--property=ActiveState,UnitFileState,MainPID';
    const { stdout } = await this.machine.run(['systemctl', 'show', properties, 'muster.service']);
    const value = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(stdout)?.[1] ?? '';
    return { active: value('ActiveState'), enabled: value('UnitFileState'), pid: value('MainPID') };
  }

  has(path: string): boolean {
    return existsSync(join(this.machine.root, path));
  }
}

if (lacks !== undefined) test('a Debian package', { skip: `lacks ${lacks}` }, () => {});
else {
  const place = await Place.open();
  const { machine } = place;
  after(async () => machine.close());

  test('without a configuration it is installed and starts nothing; the user-data that brings one enables it', async () => {
    const said = await place.dpkg('--install', '/opt/muster.deb');
    assert.match(said, /write \/etc\/muster\/muster\.yaml/);
    assert.deepEqual(await place.agent(), { active: 'inactive', enabled: 'disabled', pid: '0' });
    assert.match((await machine.run(['getent', 'group', 'muster'])).stdout, /^muster:/);
    await place.configure();
    await place.dpkg('--install', '/opt/muster.deb');
    assert.deepEqual(
      await place.agent(),
      { active: 'inactive', enabled: 'disabled', pid: '0' },
      'an upgrade starts nothing',
    );
    await machine.run(['systemctl', 'enable', '--now', 'muster.service']);
    const { active, enabled } = await place.agent();
    assert.deepEqual([active, enabled], ['active', 'enabled']);
  });

  test('an upgrade starts the agent anew, and leaves enabled or disabled what was', async () => {
    const before = await place.agent();
    await place.dpkg('--install', '/opt/muster.deb');
    const now = await place.agent();
    assert.deepEqual([now.active, now.enabled], ['active', 'enabled']);
    assert.notEqual(now.pid, before.pid);
    await machine.run(['systemctl', 'disable', 'muster.service']);
    await place.dpkg('--install', '/opt/muster.deb');
    assert.equal((await place.agent()).enabled, 'disabled');
    await machine.run(['systemctl', 'enable', 'muster.service']);
  });

  test('the switch that it brings works; its removal ends what that would have ended, and nothing else', async (t) => {
    const bus = openBus({ address: machine.busAddress }, systemClock, silentLog);
    const held = openDeadMansSwitch({ bus, clock: systemClock, graceMs: 500, root: machine.root });
    t.after(() => bus.close());
    t.after(() => held.close());
    await held.open(systemClock.monotonicMs() + 600_000, t.signal);
    const run = async (unit: string, ...more: readonly string[]) =>
      machine.run(['systemd-run', `--unit=${unit}`, ...more, 'sleep', '100000']);
    await run('kept');
    const lease = 'muster-lease.target';
    await run(
      'ended',
      '--slice=muster-stop.slice',
      ...['Requisite', 'PartOf', 'After'].map((to) => `--property=${to}=${lease}`),
    );
    const isActive = async (unit: string) =>
      (await machine.run(['systemctl', 'is-active', unit], { reject: false })).stdout === 'active';
    assert.deepEqual([await isActive('kept'), await isActive('ended'), await isActive(lease)], [true, true, true]);
    await place.dpkg('--remove', 'muster');
    await eventually('its end', 10_000, async () => !(await isActive('ended')));
    assert.equal(await isActive('kept'), true);
    assert.equal(await isActive(lease), false);
    assert.equal((await place.agent()).active, 'inactive');
    assert.ok(!place.has('usr/bin/muster') && place.has('etc/muster/muster.yaml') && place.has('var/lib/muster'));
  });

  test('a purge forgets the state and keeps the configuration; installed where there is one, it starts', async () => {
    await place.dpkg('--purge', 'muster');
    assert.ok(!place.has('var/lib/muster') && place.has('etc/muster/muster.yaml'));
    assert.ok(!place.has('etc/systemd/system/multi-user.target.wants/muster.service'));
    await place.dpkg('--install', '/opt/muster.deb');
    const { active, enabled } = await place.agent();
    assert.deepEqual([active, enabled], ['active', 'enabled']);
  });
}
