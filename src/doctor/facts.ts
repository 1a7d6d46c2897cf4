import type { Config } from '../config/read-config.ts';
import type { EndpointProbe } from '../etcd/probe-endpoint.ts';
import type { KernelClock } from '../host/libc.ts';
import type { CertificateDescription } from '../pki/describe-certificate.ts';
import type { NodeRow, NodeStateAnswer } from '../wire/answers.ts';

/** What could be read, or why it could not. */
export type Fact<T> =
  | { readonly value: T; readonly error?: never }
  | { readonly error: string; readonly value?: never };

/** The configuration that an agent here would start with. */
export interface ConfigFacts {
  readonly path: string;
  readonly config: Fact<Config>;
  /** The file was changed after the agent that runs had started. */
  readonly isNewerThanAgent: boolean;
}

/** The agent of this machine, by its own API. */
export interface AgentFacts {
  readonly node: NodeStateAnswer;
  /** Absent where it can't speak for the cluster. */
  readonly nodes?: readonly NodeRow[];
}

/** A file with certificates that the configuration names. */
export interface CertificateFacts {
  readonly path: string;
  /** What it's for: `etcd.tls.cert`. */
  readonly key: string;
  readonly certificates: Fact<readonly CertificateDescription[]>;
  /** This user may not read the file: nothing is said of it. */
  readonly isForbidden?: true;
  /** Of a certificate of one's own: whether its key fits; absent where there is none, or this user may not read it. */
  readonly keyFits?: boolean;
}

/** dockerd, by its API. */
export interface DockerFacts {
  readonly version: string;
  readonly apiVersion: string;
  readonly rootFolder: string;
  readonly cgroupDriver: string;
  readonly isLiveRestored: boolean;
}

/** One unit as systemd has it. */
export interface UnitFacts {
  readonly name: string;
  readonly load: string;
  readonly active: string;
  /** `enabled`, `disabled`, `static`; empty for one that is not there. */
  readonly file: string;
  readonly isOlderThanItsFile: boolean;
}

/** systemd and muster's own units. */
export interface SystemdFacts {
  readonly version: string;
  readonly state: string;
  readonly units: readonly UnitFacts[];
}

/** Room on one file system. */
export interface DiskFacts {
  readonly path: string;
  /** What lies there. */
  readonly what: string;
  readonly room: Fact<{
    readonly totalBytes: number;
    readonly freeBytes: number;
    readonly totalInodes: number;
    readonly freeInodes: number;
  }>;
}

/** Who this machine is. */
export interface MachineIdFacts {
  readonly machineId: string;
  readonly productUuid?: string;
  /** It lies on a file system in memory: after a reboot it's another one. */
  readonly isTransient: boolean;
  /** What the cluster has recorded of a node with this ID; absent where nothing is, or it can't be read. */
  readonly recorded?: { readonly hostname: string; readonly productUuid?: string };
  readonly hostname: string;
}

/** Control groups. */
export interface CgroupFacts {
  readonly isUnified: boolean;
  readonly controllers: readonly string[];
}

/** All that is known of a machine before anything is judged. Absent: not looked at, for want of a configuration. */
export interface Facts {
  /** Of the executable that looks. */
  readonly version: string;
  readonly now: Date;
  readonly config: ConfigFacts;
  readonly agent?: Fact<AgentFacts>;
  readonly etcd?: readonly EndpointProbe[];
  /** Why this user can't ask etcd, where it may not read what the agent asks with. Nothing is said of etcd then. */
  readonly etcdForbidden?: string;
  readonly clock: Fact<KernelClock>;
  readonly certificates: readonly CertificateFacts[];
  readonly docker: Fact<DockerFacts>;
  readonly systemd: Fact<SystemdFacts>;
  readonly cgroups: CgroupFacts;
  readonly disks: readonly DiskFacts[];
  readonly machineId: Fact<MachineIdFacts>;
  /** Addresses by which other nodes may reach it. */
  readonly addresses: readonly string[];
}
