import type { Finding } from '../domain/finding.ts';
import type { KernelClock } from '../host/libc.ts';
import type { CgroupFacts, DiskFacts, DockerFacts, Fact, MachineIdFacts } from './facts.ts';

/** Part of a file system that should stay free, and below which writes will soon fail. */
const LITTLE_PART = 0.1;
const HARDLY_PART = 0.02;
/** Where this much is free, a small part is enough. */
const PLENTY_BYTES = 20 * 1024 ** 3;
/** The kernel's own reckoning of how far off its clock may be. */
const INEXACT_MS = 1_000;
/** What muster sets for containers needs these. */
const controllers = ['cpu', 'memory', 'pids'];

/** Whether something keeps the clock right. */
export function judgeClock(clock: Fact<KernelClock>): readonly Finding[] {
  const check = 'clock';
  if (clock.error !== undefined) return [{ check, level: 'warn', found: clock.error }];
  const { isSynchronized, maxErrorMs } = clock.value;
  const advice = 'enable systemd-timesyncd or chrony: certificates, logs and history depend on the time; leases do not';
  if (!isSynchronized) return [{ check, level: 'warn', found: 'nothing keeps it right (not synchronized)', advice }];
  const found = `synchronized, off by ${Math.round(maxErrorMs)} ms at most`;
  return [maxErrorMs > INEXACT_MS ? { check, level: 'warn', found, advice } : { check, level: 'ok', found }];
}

/** dockerd: a machine without it runs units only. */
export function judgeDocker(docker: Fact<DockerFacts>, cgroups: CgroupFacts): readonly Finding[] {
  const check = 'docker';
  if (docker.error !== undefined) {
    const isAbsent = /ENOENT/.test(docker.error);
    return isAbsent
      ? [
          {
            check,
            level: 'warn',
            found: 'is not there: this node runs units only',
            advice: 'if it is to run containers, install and start Docker',
          },
        ]
      : [{ check, level: 'fail', found: `does not answer: ${docker.error}`, advice: 'systemctl status docker' }];
  }
  const { version, apiVersion, cgroupDriver, isLiveRestored } = docker.value;
  const findings: Finding[] = [
    { check, level: 'ok', found: `version ${version}, API ${apiVersion}, cgroup driver ${cgroupDriver}` },
  ];
  if (!isLiveRestored) {
    const found = 'containers end whenever dockerd restarts (live-restore is off)';
    findings.push({
      check,
      level: 'warn',
      found,
      advice: 'set {"live-restore": true} in /etc/docker/daemon.json, then "systemctl reload docker"',
    });
  }
  if (cgroups.isUnified && cgroupDriver === 'cgroupfs') {
    const found = 'two managers of one control group tree: cgroup driver cgroupfs beside systemd';
    findings.push({
      check,
      level: 'warn',
      found,
      advice: 'set {"exec-opts": ["native.cgroupdriver=systemd"]} in /etc/docker/daemon.json',
    });
  }
  return findings;
}

/** Limits of containers need control groups with their controllers. */
export function judgeCgroups({ isUnified, controllers: known }: CgroupFacts): readonly Finding[] {
  const check = 'cgroups';
  const missing = controllers.filter((each) => !known.includes(each));
  if (!isUnified) {
    return [
      {
        check,
        level: 'warn',
        found: 'version 1',
        advice: 'boot with systemd.unified_cgroup_hierarchy=1: systemd and Docker will drop version 1',
      },
    ];
  }
  if (missing.length === 0) return [{ check, level: 'ok', found: `version 2 with ${controllers.join(', ')}` }];
  const found = `version 2 without ${missing.join(', ')}: limits of containers do not hold`;
  return [
    {
      check,
      level: 'warn',
      found,
      advice: 'enable them in the kernel (see /proc/cgroups, and cgroup_enable= on its command line)',
    },
  ];
}

/** Room for what lies there. */
export function judgeDisk({ path, what, room }: DiskFacts): Finding {
  const about = { check: 'disk', subject: path } as const;
  if (room.error !== undefined) return { ...about, level: 'warn', found: room.error };
  const { totalBytes, freeBytes, totalInodes, freeInodes } = room.value;
  const bytesPart = totalBytes === 0 ? 1 : freeBytes / totalBytes;
  const inodesPart = totalInodes === 0 ? 1 : freeInodes / totalInodes;
  const advice = `make room for ${what}: "df -h ${path}", "df -i ${path}"`;
  const found = `${Math.round(bytesPart * 100)}% free (${formatSize(freeBytes)} of ${formatSize(totalBytes)}), for ${what}`;
  if (bytesPart < HARDLY_PART || inodesPart < HARDLY_PART)
    return {
      ...about,
      level: 'fail',
      found: inodesPart < HARDLY_PART ? `hardly an inode is free, for ${what}` : found,
      advice,
    };
  const isLittle = (bytesPart < LITTLE_PART && freeBytes < PLENTY_BYTES) || inodesPart < LITTLE_PART;
  return isLittle ? { ...about, level: 'warn', found, advice } : { ...about, level: 'ok', found };
}

function formatSize(bytes: number): string {
  return bytes >= 1024 ** 3 ? `${(bytes / 1024 ** 3).toFixed(1)} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`;
}

/** The machine ID is what the node ID is made of: it must be this machine's own, and stay. */
export function judgeMachineId(machine: Fact<MachineIdFacts>): readonly Finding[] {
  const check = 'machine-id';
  if (machine.error !== undefined)
    return [
      {
        check,
        level: 'fail',
        found: machine.error,
        advice: 'systemd-machine-id-setup makes one; an image should have the file empty',
      },
    ];
  return [{ check, ...judgeId(machine.value) }];
}

function judgeId({ machineId, productUuid, isTransient, recorded, hostname }: MachineIdFacts): Omit<Finding, 'check'> {
  if (isTransient) {
    const found = `${machineId} is kept in memory: after a reboot this machine is another node`;
    return { level: 'fail', found, advice: 'make /etc writable at boot, or run "systemd-machine-id-setup --commit"' };
  }
  if (recorded === undefined) return { level: 'ok', found: machineId };
  const theirs = recorded.productUuid;
  if (theirs !== undefined && productUuid !== undefined && theirs !== productUuid) {
    const found = `${machineId} is also that of "${recorded.hostname}", another machine: one is a clone of the other`;
    return {
      level: 'fail',
      found,
      advice: `${emptyInImage}; on the clone: rm /etc/machine-id && systemd-machine-id-setup, then reboot`,
    };
  }
  if (recorded.hostname !== hostname) {
    const found = `${machineId} is known as "${recorded.hostname}", and this machine is "${hostname}"`;
    return {
      level: 'warn',
      found,
      advice: `fine after it was renamed; else one is a clone of the other: ${emptyInImage}`,
    };
  }
  return { level: 'ok', found: `${machineId}, known as "${recorded.hostname}"` };
}

const emptyInImage = 'empty /etc/machine-id in the image';
