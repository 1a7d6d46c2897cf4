import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { openBus } from '../bus/open-bus.ts';
import type { Bus } from '../bus/port.ts';
import type { Config } from '../config/read-config.ts';
import { AgentError } from '../domain/errors.ts';
import type { EtcdTls } from '../etcd/etcd-options.ts';
import { openKv } from '../etcd/open-kv.ts';
import { openHost } from '../host/open-host.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import { openDockerRuntime } from '../runtime/docker/docker-runtime.ts';
import { openSystemdRuntime } from '../runtime/systemd/open-systemd-runtime.ts';
import type { Ports } from './ports.ts';

/** Of this process and its machine, as `main.ts` passes it on. */
export interface ProcessFacts {
  readonly pid: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** CLOCK_MONOTONIC in microseconds: systemd's timestamps are on it. */
  readonly monotonicUs: () => number;
  /** SIGKILL, to a process of this machine that may be gone by now. */
  readonly killProcess: (pid: number) => void;
}

/** The ports, and the way to close what they hold. */
export interface OpenedPorts {
  readonly ports: Ports;
  readonly close: () => void;
}

/** What runs is there still when dockerd is stopped, and an agent that starts then must not take it for gone. */
const DOCKER_SEEN = '/run/muster/docker-seen';
const systemBusAddress = 'unix:path=/run/dbus/system_bus_socket';

/** Of the time from the fence to the kill: what the dead man's switch leaves between SIGTERM and SIGKILL. */
const FENCE_GRACE_PART = 0.5;

/** The real adapters. Nothing has been connected to when it returns; files of certificates have been read. */
export async function openPorts(config: Config, facts: ProcessFacts, clock: Clock, log: Log): Promise<OpenedPorts> {
  const bus = openBus({ address: systemBusAddress }, clock, log);
  const { pid, environment } = facts;
  const host = openHost({
    bus,
    log,
    clock,
    pid,
    environment,
    stateFolder: config.stateFolder,
    fenceGraceMs: config.ttlMs * (config.leaseKillPart - config.leaseFencePart) * FENCE_GRACE_PART,
  });
  const { nodeId } = await host.identity();
  const endpoints: { current: string | undefined; changes: number } = { current: undefined, changes: 0 };
  const kv = openKv(
    {
      endpoints: config.endpoints,
      attemptMs: config.attemptMs,
      // Nodes of one configuration begin at different endpoints.
      firstEndpoint: Number.parseInt(nodeId.slice(0, 6), 16),
      identityKey: `${config.prefix}/${config.cluster}/cluster`,
      onEndpoint: (url) => {
        if (endpoints.current !== undefined) endpoints.changes += 1;
        endpoints.current = url;
      },
      ...(await readTls(config)),
    },
    clock,
    log,
  );
  const runtimes = openRuntimes(config, facts, bus, clock, log);
  const ports: Ports = { kv, endpoints, runtimes, host, clock, log, random: Math.random, makeNonce: randomUUID };
  const close = () => {
    for (const runtime of runtimes) runtime.close();
    host.deadMansSwitch.close();
    kv.close();
    bus.close();
  };
  return { ports, close };
}

function openRuntimes(
  config: Config,
  { monotonicUs, killProcess }: ProcessFacts,
  bus: Bus,
  clock: Clock,
  log: Log,
): Ports['runtimes'] {
  return [
    openSystemdRuntime({ clusterId: config.cluster, bus, clock, log, monotonicUs }),
    openDockerRuntime({
      socketPath: config.dockerSocket,
      clusterId: config.cluster,
      registryConfigPaths: [config.dockerConfig],
      seenPath: DOCKER_SEEN,
      clock,
      log,
      random: Math.random,
      killProcess,
    }),
  ];
}

async function readTls(config: Config): Promise<{ readonly tls?: EtcdTls }> {
  if (!config.endpoints.some((url) => url.startsWith('https:'))) return {};
  if (config.tlsCa === undefined) {
    throw new AgentError(
      'INVALID_INPUT',
      'Cannot use https:// endpoints: expected etcd.tls.ca, the CA that signed their certificates',
    );
  }
  const read = async (path: string) =>
    readFile(path, 'utf8').catch((cause: unknown) => {
      throw new AgentError('INVALID_INPUT', `Cannot read "${path}": expected a PEM file that the agent may read`, {
        cause,
      });
    });
  const ca = await read(config.tlsCa);
  const pair =
    config.tlsCert === undefined || config.tlsKey === undefined
      ? {}
      : { cert: await read(config.tlsCert), key: await read(config.tlsKey) };
  return { tls: { ca, ...pair, ...(config.tlsServerName === undefined ? {} : { serverName: config.tlsServerName }) } };
}
