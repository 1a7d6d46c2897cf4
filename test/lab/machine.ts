import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { command } from './command.ts';
import type { ControlGroup } from './control-groups.ts';
import { findLeader } from './find-leader.ts';

/** nspawn's exit code when the machine asked for a reboot. */
export const rebootExitCode = 133;

/** What a machine is made of. */
export interface MachineOptions {
  readonly machine: string;
  readonly hostname: string;
  /** The machine's own folder: what it has written, and where its root is mounted. */
  readonly directory: string;
  readonly lower: readonly string[];
  readonly namespace: string;
  readonly group: ControlGroup;
  /** Version 1 control groups, whose controllers can limit; else pure version 2 without controllers. */
  readonly limits: boolean;
  /** A folder of the host that every machine of the lab has, at {@link sharedFolder}. */
  readonly shared: string;
}

/** Where machines find the folder that they share. */
export const sharedFolder = '/var/lib/muster-lab-log';

/** A running machine. */
export interface RunningMachine {
  /** Its PID 1, as the host sees it. */
  readonly leader: number;
  /** Resolves with nspawn's exit code when no process of it is left. */
  readonly ended: Promise<number>;
}

/** Where a machine's files are while it is off, and where its root is mounted while it is on. */
export function machinePaths(directory: string): {
  upper: string;
  root: string;
  work: string;
  docker: string;
  log: string;
} {
  return {
    upper: join(directory, 'upper'),
    root: join(directory, 'root'),
    work: join(directory, 'work'),
    docker: join(directory, 'docker'),
    log: join(directory, 'console.log'),
  };
}

/** Makes the machine's folders, empty. */
export async function makeMachineFolders(directory: string): Promise<void> {
  const { upper, root, work, docker } = machinePaths(directory);
  for (const path of [upper, root, work, docker]) await mkdir(path, { recursive: true, mode: 0o755 });
}

/** Switches the machine on and waits for its PID 1. Root, control group and network namespace must be ready. */
export async function startMachine(options: MachineOptions): Promise<RunningMachine> {
  const { root, upper, work, log } = machinePaths(options.directory);
  const layers = `lowerdir=${options.lower.join(':')},upperdir=${upper},workdir=${work}`;
  await command(['mount', '-t', 'overlay', 'overlay', '-o', layers, root]);
  const [file = '', ...args] = options.group.wrap(nspawnCommand(options));
  const output = openSync(log, 'a');
  const child = spawn(file, args, {
    stdio: ['ignore', output, output],
    detached: true,
    env: {
      PATH: process.env['PATH'] ?? '',
      SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: options.limits ? '0' : '1',
      // dockerd must be able to switch IP forwarding on in the machine's own network namespace.
      SYSTEMD_NSPAWN_API_VFS_WRITABLE: 'network',
    },
  });
  closeSync(output);
  child.unref();
  const ended = new Promise<number>((resolve) => {
    child.on('error', () => resolve(-1));
    child.on('exit', (code) => resolve(code ?? -1));
  });
  const leader = await eventually(`PID 1 of ${options.machine}, see ${log}`, 20_000, async () => {
    if (child.exitCode !== null) throw new Error(`nspawn ended with ${child.exitCode}: ${await readFile(log, 'utf8')}`);
    return child.pid === undefined ? undefined : findLeader(child.pid);
  });
  return { leader, ended };
}

function nspawnCommand({ machine, hostname, directory, namespace, shared }: MachineOptions): string[] {
  const { root, docker } = machinePaths(directory);
  return [
    'systemd-nspawn',
    '--quiet',
    '--register=no',
    '--keep-unit',
    `--directory=${root}`,
    `--machine=${machine}`,
    `--hostname=${hostname}`,
    `--network-namespace-path=/run/netns/${namespace}`,
    '--capability=all',
    '--system-call-filter=@keyring bpf',
    // Docker's own overlays can't lie on an overlay.
    `--bind=${docker}:/var/lib/docker`,
    `--bind=${shared}:${sharedFolder}`,
    '--console=pipe',
    '--link-journal=no',
    '--resolv-conf=off',
    '--timezone=off',
    '--boot',
  ];
}

/** Takes away what a machine without processes leaves: its mounted root and nspawn's notes about it. */
export async function clearMachine(machine: string, directory: string): Promise<void> {
  const { root } = machinePaths(directory);
  const { dev, ino } = await stat(root);
  await eventually(`umount ${root}`, 10_000, async () => command(['umount', root]));
  await rm(`/run/systemd/nspawn/locks/inode-${dev}:${ino}`, { force: true });
  await rm(`/run/systemd/nspawn/propagate/${machine}`, { recursive: true, force: true });
}
