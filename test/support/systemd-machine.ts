import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBaseTree } from '../lab/base-tree.ts';
import { type CommandResult, command } from '../lab/command.ts';
import { ControlGroup } from '../lab/control-groups.ts';
import { findLeader } from '../lab/find-leader.ts';
import { withHostLock } from '../lab/host-lock.ts';
import { cacheRoot } from '../lab/paths.ts';
import { eventually } from './eventually.ts';

/** A machine with nothing but systemd, its journal and a message bus: up in about two seconds, gone in a moment. */
export interface SystemdMachine {
  /** Its PID 1, as this machine sees it. */
  readonly leader: number;
  /** Prefix by which this process reaches its files. */
  readonly root: string;
  readonly busAddress: string;
  /** Prefix by which a command runs in it. */
  readonly enter: readonly string[];
  /** How to run journalctl in it. */
  readonly journalctl: readonly string[];
  /** Runs a command in it. */
  run(argv: readonly string[], options?: { readonly reject?: boolean }): Promise<CommandResult>;
  /** Kills it and leaves nothing behind. */
  close(): Promise<void>;
}

const groupPrefix = 'muster-test-';

/** Why this machine can't boot one; undefined when it can. */
export async function lackedBySystemdMachine(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'root';
  for (const tool of ['systemd-nspawn', 'nsenter', 'setpriv', 'flock']) {
    if ((await command(['which', tool], { reject: false })).exitCode !== 0) return tool;
  }
  const hasTree = existsSync(cacheRoot) && (await readdir(cacheRoot)).some((name) => name.startsWith('base-'));
  if (!hasTree && (await command(['which', 'debootstrap'], { reject: false })).exitCode !== 0) return 'debootstrap';
  return undefined;
}

/** Boots one from the lab's base tree, which is made first when there's none. One that is left by a killed process is removed by the next. */
export async function bootSystemdMachine(options: { readonly cgroups?: 1 | 2 } = {}): Promise<SystemdMachine> {
  const progress = (line: string): void => console.error(line);
  const [tree = ''] = await withHostLock(join(cacheRoot, 'lock'), async () => {
    await removeDeadGroups();
    return ensureBaseTree('3.4', progress);
  });
  const directory = await mkdtemp(join(tmpdir(), 'muster-systemd-'));
  const group = new ControlGroup(`${groupPrefix}${process.pid}-${directory.slice(-6)}`, false);
  await group.create();
  const machineId = join(directory, 'machine-id');
  await writeFile(machineId, `${Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex')}\n`);
  const [file = '', ...args] = [
    ...['setpriv', '--pdeathsig', 'KILL'],
    ...group.wrap(nspawnCommand(tree, machineId, `st-${directory.slice(-6)}`)),
  ];
  // Without its lock nspawn boots any number of machines from one tree: nobody writes to it.
  const unified =
    options.cgroups === undefined ? {} : { SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: options.cgroups === 2 ? '1' : '0' };
  const env = { PATH: process.env['PATH'] ?? '', SYSTEMD_NSPAWN_LOCK: '0', ...unified };
  const child = spawn(file, args, { stdio: 'ignore', env });
  const ended = new Promise<void>((resolve) => {
    child.on('error', () => resolve());
    child.on('exit', () => resolve());
  });
  const close = async (): Promise<void> => {
    await group.kill();
    await ended;
    await group.remove();
    await removeNotes(directory.slice(-6));
  };
  try {
    const leader = await eventually('PID 1 of the machine', 20_000, () => findLeader(child.pid ?? 0));
    const machine = describeMachine(leader, close);
    await eventually('basic.target', 30_000, () => hasBooted(machine), 50);
    return machine;
  } catch (error) {
    await close();
    throw error;
  }
}

async function hasBooted(machine: SystemdMachine): Promise<boolean> {
  const { exitCode } = await machine.run(['systemctl', 'is-active', '--quiet', 'basic.target'], { reject: false });
  return exitCode === 0 && existsSync(`${machine.root}/run/dbus/system_bus_socket`);
}

function describeMachine(leader: number, close: () => Promise<void>): SystemdMachine {
  const root = `/proc/${leader}/root`;
  const enter = ['/usr/bin/nsenter', '--target', String(leader), '--mount', '--uts', '--ipc', '--net', '--pid', '--'];
  return {
    leader,
    root,
    busAddress: `unix:path=${root}/run/dbus/system_bus_socket`,
    enter,
    // Its mounts suffice; in its PID namespace nsenter would fork, and a kill reach only nsenter itself.
    journalctl: ['nsenter', '--target', String(leader), '--mount', '--', 'journalctl'],
    run: (argv, options = {}) => command([...enter, ...argv], { timeoutMs: 30_000, ...options }),
    close,
  };
}

/** Only what basic.target needs is started: the tree also has dockerd, etcd and cloud-init. */
function nspawnCommand(tree: string, machineId: string, name: string): string[] {
  return [
    'systemd-nspawn',
    '--quiet',
    '--register=no',
    '--keep-unit',
    `--directory=${tree}`,
    '--volatile=overlay',
    `--machine=${name}`,
    `--bind-ro=${machineId}:/etc/machine-id`,
    '--private-network',
    '--console=pipe',
    '--link-journal=no',
    '--resolv-conf=off',
    '--timezone=off',
    '--boot',
    '--',
    'systemd.unit=basic.target',
    'systemd.mask=docker.socket',
  ];
}

/** What nspawn leaves of a machine that was killed, and its folder. */
async function removeNotes(suffix: string): Promise<void> {
  await rm(`/run/systemd/nspawn/propagate/st-${suffix}`, { recursive: true, force: true });
  await rm(join(tmpdir(), `muster-systemd-${suffix}`), { recursive: true, force: true });
}

/** What test processes that were killed have left: nspawn died with them, the machine may live on. */
async function removeDeadGroups(): Promise<void> {
  for (const hierarchy of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd']) {
    for (const name of await readdir(hierarchy).catch(() => [])) {
      const pid = name.startsWith(groupPrefix) ? /^\d+/.exec(name.slice(groupPrefix.length))?.[0] : undefined;
      if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
      const group = new ControlGroup(name, false);
      await group.kill();
      await group.remove();
      await removeNotes(name.slice(-6));
    }
  }
}
