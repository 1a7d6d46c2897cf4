import { FORMAT } from '../cluster/codec.ts';
import type { ListenAddress } from '../config/api-settings.ts';
import type { Config } from '../config/read-config.ts';
import type { NodeRecord } from '../domain/node.ts';
import type { RuntimeKind } from '../domain/spec.ts';
import type { Ports } from './ports.ts';

/** What this node says of itself: read anew at each registration, since Docker may have been upgraded meanwhile. */
export async function makeNodeRecord(
  config: Config,
  version: string,
  ports: Ports,
  signal: AbortSignal,
): Promise<NodeRecord> {
  const { host, runtimes, clock, log } = ports;
  const identity = await host.identity();
  const addresses = host.addresses();
  const versions: Partial<Record<RuntimeKind, string>> = {};
  for (const runtime of runtimes) {
    try {
      const found = await runtime.version(signal);
      if (found !== undefined) versions[runtime.kind] = found;
    } catch (err) {
      signal.throwIfAborted();
      log.warn({ runtime: runtime.kind, err }, 'runtime does not tell its version');
      versions[runtime.kind] = 'unknown';
    }
  }
  const advertise = config.advertise ?? addresses[0] ?? identity.hostname;
  return {
    machineId: identity.machineId,
    bootId: identity.bootId,
    ...(identity.productUuid === undefined ? {} : { productUuid: identity.productUuid }),
    hostname: identity.hostname,
    addresses,
    advertise,
    ...(config.apiListen === undefined ? {} : { api: apiAddress(config.apiListen, advertise) }),
    ...(config.pkiCaKey === undefined || config.apiListen === undefined ? {} : { signs: true as const }),
    labels: config.labels,
    capacity: await host.capacity(),
    runtimes: versions,
    agentVersion: version,
    formats: [FORMAT],
    at: clock.wallTime().toISOString(),
  };
}

/** Where others reach the API: what it listens on, or the advertised address where it listens on all. */
function apiAddress({ host, port }: ListenAddress, advertise: string): string {
  const reached = host === '0.0.0.0' || host === '::' ? advertise : host;
  return `${reached.includes(':') ? `[${reached}]` : reached}:${port}`;
}
