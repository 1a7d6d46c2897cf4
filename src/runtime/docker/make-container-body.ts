import type { ClusterId } from '../../domain/ids.ts';
import type { ContainerSpec, HealthCheck, Mount, PortMapping } from '../../domain/spec.ts';
import type { StartOrder } from '../port.ts';
import { makeLabels } from './labels.ts';

/**
 * The body of `POST /containers/create` for an order. Docker's own restart policy stays off: the agent restarts.
 *
 * @param cgroupParent below which control group it lives; undefined: where the daemon puts all
 */
export function makeContainerBody(
  clusterId: ClusterId,
  order: StartOrder,
  spec: ContainerSpec,
  cgroupParent?: string,
): object {
  return {
    Image: order.resolvedImage ?? spec.image,
    ...(spec.entrypoint && { Entrypoint: spec.entrypoint }),
    ...(spec.command && { Cmd: spec.command }),
    Env: Object.entries({ ...spec.environment, ...order.environment }).map(([name, value]) => `${name}=${value}`),
    Labels: { ...spec.labels, ...makeLabels(clusterId, order) },
    ...(spec.user !== undefined && { User: spec.user }),
    ...(spec.workingDir !== undefined && { WorkingDir: spec.workingDir }),
    ...(spec.hostname !== undefined && { Hostname: spec.hostname }),
    ...(spec.stopSignal !== undefined && { StopSignal: spec.stopSignal }),
    StopTimeout: Math.ceil(spec.stopGraceMs / 1000),
    ...(spec.healthCheck && { Healthcheck: makeHealthcheck(spec.healthCheck) }),
    ExposedPorts: Object.fromEntries(spec.ports.map((port) => [portKey(port), {}])),
    HostConfig: { ...makeHostConfig(spec), ...(cgroupParent !== undefined && { CgroupParent: cgroupParent }) },
  };
}

function makeHostConfig(spec: ContainerSpec): object {
  return {
    RestartPolicy: { Name: 'no' },
    LogConfig: { Type: spec.logging.driver, Config: spec.logging.options },
    ...(spec.networkMode !== undefined && { NetworkMode: spec.networkMode }),
    PortBindings: makePortBindings(spec.ports),
    Mounts: spec.mounts.map(makeMount),
    ...(spec.memoryBytes !== undefined && { Memory: spec.memoryBytes }),
    ...(spec.cpus !== undefined && { NanoCpus: Math.round(spec.cpus * 1e9) }),
    ReadonlyRootfs: spec.readOnlyRoot,
    CapAdd: spec.capAdd,
    CapDrop: spec.capDrop,
    ExtraHosts: spec.extraHosts,
  };
}

function portKey(port: PortMapping): string {
  return `${port.containerPort}/${port.protocol}`;
}

/** A container's port may be published more than once. */
function makePortBindings(ports: readonly PortMapping[]): Record<string, object[]> {
  const bindings: Record<string, object[]> = {};
  for (const port of ports) {
    const binding = { HostIp: port.hostIp ?? '', HostPort: String(port.hostPort) };
    bindings[portKey(port)] = [...(bindings[portKey(port)] ?? []), binding];
  }
  return bindings;
}

function makeMount(mount: Mount): object {
  if (mount.type === 'tmpfs') {
    const size = mount.sizeBytes !== undefined && { TmpfsOptions: { SizeBytes: mount.sizeBytes } };
    return { Type: 'tmpfs', Target: mount.target, ...size };
  }
  return { Type: mount.type, Source: mount.source, Target: mount.target, ReadOnly: mount.readOnly };
}

/** Docker counts in nanoseconds. */
function makeHealthcheck(check: HealthCheck): object {
  const ns = (ms: number) => Math.round(ms * 1e6);
  return {
    Test: 'exec' in check.test ? ['CMD', ...check.test.exec] : ['CMD-SHELL', check.test.shell],
    Interval: ns(check.intervalMs),
    Timeout: ns(check.timeoutMs),
    Retries: check.retries,
    StartPeriod: ns(check.startPeriodMs),
  };
}
