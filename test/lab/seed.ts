import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { repository } from './paths.ts';

/** What a cloud would tell a VM about itself; the keys of cloud-config/debian.yaml. */
export interface NodeMetadata {
  readonly hostname: string;
  readonly machineId: string;
  readonly clusterId: string;
  readonly etcdEndpoints: readonly string[];
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ttlMs: number;
  readonly leader: boolean;
  /** Present on a member of etcd: `name=peer URL` of each. */
  readonly etcdInitialCluster?: string;
}

/** What is the lab's and not a VM's: where images come from, and version 1 control groups made writable. */
export interface LabParts {
  readonly registry: string;
  readonly privateRegistry: string;
  readonly hosts: Readonly<Record<string, string>>;
  readonly nameServer: string;
  readonly limits: boolean;
}

/** Writes the NoCloud seed into a node's root: the shipped user-data byte for byte, the rest as metadata and vendor-data. */
export async function writeSeed(root: string, metadata: NodeMetadata, parts: LabParts): Promise<void> {
  const seed = join(root, 'var/lib/cloud/seed/nocloud-net');
  await mkdir(seed, { recursive: true });
  await mkdir(join(root, 'etc'), { recursive: true });
  await writeFile(join(root, 'etc/machine-id'), `${metadata.machineId}\n`, { mode: 0o444 });
  const hosts = Object.entries({ localhost: '127.0.0.1', ...parts.hosts });
  await writeFile(join(root, 'etc/hosts'), hosts.map(([name, address]) => `${address} ${name}\n`).join(''));
  await writeFile(join(root, 'etc/resolv.conf'), `nameserver ${parts.nameServer}\n`);
  await copyFile(join(repository, 'cloud-config/debian.yaml'), join(seed, 'user-data'));
  await writeFile(join(seed, 'meta-data'), JSON.stringify(instanceMetadata(metadata), undefined, 1));
  await writeFile(join(seed, 'vendor-data'), `#cloud-config\n${JSON.stringify({ bootcmd: labCommands(parts) })}\n`);
  // What `mkdir` makes has the caller's umask; a root directory must be readable by every user.
  for (const directory of [root, join(root, 'etc'), join(root, 'var'), join(root, 'var/lib')])
    await chmod(directory, 0o755);
}

function instanceMetadata(metadata: NodeMetadata): Record<string, string> {
  const labels = Object.entries(metadata.labels).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  return {
    'instance-id': `${metadata.hostname}-${metadata.machineId.slice(0, 8)}`,
    'local-hostname': metadata.hostname,
    muster_cluster_id: metadata.clusterId,
    ...(metadata.etcdEndpoints.length === 0 ? {} : { muster_etcd_endpoints: metadata.etcdEndpoints.join(', ') }),
    muster_advertise: metadata.address,
    muster_labels: labels.join(', '),
    muster_lease_ttl: `${metadata.ttlMs}ms`,
    ...(metadata.leader ? {} : { muster_leader: 'false' }),
    ...(metadata.etcdInitialCluster === undefined
      ? {}
      : { muster_etcd_member_address: metadata.address, muster_etcd_initial_cluster: metadata.etcdInitialCluster }),
  };
}

/** Run by cloud-init early in each boot, before dockerd. */
function labCommands({ registry, privateRegistry, limits }: LabParts): string[][] {
  const options = [
    `--registry-mirror=http://${registry}`,
    `--insecure-registry=${registry}`,
    `--insecure-registry=${privateRegistry}`,
  ];
  const docker = ['sh', '-c', `echo 'DOCKER_OPTS="${options.join(' ')}"' > /etc/default/docker`];
  const writable =
    'awk \'$3 == "cgroup" || $2 == "/sys/fs/cgroup" {print $2}\' /proc/mounts | xargs -n1 mount -o remount,bind,rw';
  return [docker, ...(limits ? [['sh', '-c', writable]] : [])];
}
