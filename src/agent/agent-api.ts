import { type Api, makeApi } from '../api/make-api.ts';
import { openApi } from '../api/open-api.ts';
import { SharedReads } from '../cluster/shared-reads.ts';
import type { Config } from '../config/read-config.ts';
import type { HostIdentity } from '../host/port.ts';
import { openSelf } from '../host/run-self.ts';
import { makeApiMetrics } from './api-metrics.ts';
import type { Agent } from './compose-agent.ts';
import type { Ports } from './ports.ts';
import type { TlsService } from './serve-tls.ts';
import { PASS_LIMIT_MS } from './tell-systemd.ts';

/** What the API says of the agent, and where it listens. */
export interface Serving {
  readonly config: Config;
  readonly version: string;
  readonly commit: string;
  readonly identity: Pick<HostIdentity, 'nodeId' | 'hostname'>;
  /** How this very executable is run. */
  readonly self: readonly string[];
}

/** The API, on the unix socket, and where it's configured on TCP too. Closing takes no more requests and ends those under way. */
export async function openAgentApi(agent: Agent, ports: Ports, serving: Serving): Promise<{ close(): Promise<void> }> {
  const { config } = serving;
  const tls = await openTls(agent, ports, serving);
  const api = makeAgentApi(agent, ports, serving, tls);
  const { log } = ports;
  const requestsPerSecond = config.apiRequestRate;
  const socket = await openApi(api, { socketPath: config.socket, group: 'muster', requestsPerSecond, log });
  const stop = new AbortController();
  const onTcp = tls?.run(api, stop.signal);
  return {
    close: async () => {
      stop.abort();
      await Promise.all([socket.close(), onTcp]);
    },
  };
}

/** Loaded only where it's configured. */
async function openTls(
  agent: Agent,
  ports: Ports,
  { config, identity, self }: Serving,
): Promise<TlsService | undefined> {
  if (config.apiListen === undefined) return undefined;
  const { TlsService } = await import('./serve-tls.ts');
  return new TlsService({ config, agent, ports, identity, self: openSelf(self) });
}

function makeAgentApi(agent: Agent, ports: Ports, serving: Serving, tls: TlsService | undefined): Api {
  const { runtimes, clock, log } = ports;
  const { config, version, commit, identity } = serving;
  return makeApi({
    cluster: config.cluster,
    version,
    store: { kv: agent.kv, layout: agent.layout, clock, reads: new SharedReads() },
    node: {
      id: identity.nodeId,
      hostname: identity.hostname,
      state: () => agent.state,
      onChange: (listener) => agent.watch(listener),
    },
    health: () => ({ isAlive: agent.isAlive(PASS_LIMIT_MS), ...agent.health }),
    metrics: makeApiMetrics(agent.metrics, { version, commit }, clock),
    runtimes,
    ...(tls === undefined ? {} : { peers: tls.peers }),
    ...(tls?.signer === undefined ? {} : { certificates: tls.signer }),
    clock,
    log,
  });
}
