import type { Api } from '../api/make-api.ts';
import { openTlsApi, type TlsListener, type TlsMaterial } from '../api/open-tls.ts';
import type { Config } from '../config/read-config.ts';
import { AgentError } from '../domain/errors.ts';
import type { HostIdentity } from '../host/port.ts';
import type { Self } from '../host/run-self.ts';
import type { CertificateAnswer } from '../wire/certificate-answers.ts';
import { openHttp } from '../wire/http.ts';
import { CertificateKeeper, type KeeperOptions } from './certificate-keeper.ts';
import { readCertificate } from './certificate-readings.ts';
import { openSigner } from './certificate-signer.ts';
import type { Agent } from './compose-agent.ts';
import { findSigners } from './find-signers.ts';
import { type OpenedPeers, openPeers } from './open-peers.ts';
import type { Ports } from './ports.ts';

/** What serving over TCP needs of the agent. */
export interface TlsServiceOptions {
  readonly config: Config;
  readonly agent: Pick<Agent, 'layout' | 'kv' | 'metrics'>;
  readonly ports: Ports;
  readonly identity: Pick<HostIdentity, 'nodeId' | 'hostname'>;
  readonly self: Self;
}

/** So many signing nodes are asked in one attempt, and each has so long to answer. */
const ASKED_NODES = 5;
const SIGN_MS = 40_000;

/** The API over TCP: this node's certificate, the listener that shows it, and connections to others with it. */
export class TlsService {
  readonly #options: TlsServiceOptions;
  readonly #keeper: CertificateKeeper;
  readonly #signer: ReturnType<typeof openSigner> | undefined;
  readonly peers: OpenedPeers;
  #api: Api | undefined;
  #listener: TlsListener | undefined;

  constructor(options: TlsServiceOptions) {
    const { config, ports, agent, self } = options;
    this.#options = options;
    const { apiTlsCa: ca, pkiCaKey: caKey, pkiLifetimeMs: lifetimeMs } = config;
    this.#signer = caKey === undefined ? undefined : openSigner({ self, ca, caKey, lifetimeMs });
    this.#keeper = new CertificateKeeper(this.#keeperOptions());
    agent.metrics.addSource(() => readCertificate(this.#keeper.certificate));
    const { clock } = ports;
    this.peers = openPeers({ kv: agent.kv, layout: agent.layout, clock, material: () => this.#keeper.material });
  }

  /** For the API: undefined where this node doesn't sign. */
  get signer(): ReturnType<typeof openSigner> | undefined {
    return this.#signer;
  }

  /** Serves the API for as long as there is a certificate. Resolves when the signal aborts, once all is closed. */
  async run(api: Api, signal: AbortSignal): Promise<void> {
    this.#api = api;
    try {
      await this.#keeper.run(signal);
    } finally {
      this.peers.close();
      await this.#listener?.close();
    }
  }

  #keeperOptions(): KeeperOptions {
    const { config, ports, identity, self } = this.#options;
    const { clock, log, random, host } = ports;
    return {
      paths: { ca: config.apiTlsCa, cert: config.apiTlsCert, key: config.apiTlsKey },
      holder: { cluster: config.cluster, node: identity.nodeId },
      self,
      ...(this.#signer === undefined ? {} : { signer: this.#signer }),
      addresses: async () => {
        const advertised = config.advertise === undefined ? [] : [config.advertise];
        return [...new Set([...advertised, ...host.addresses(), identity.hostname])];
      },
      askOthers: async (request, material, signal) => this.#askOthers(request, material, signal),
      onCertificate: async (material) => this.#serve(material),
      clock,
      log,
      random,
    };
  }

  async #serve(material: TlsMaterial): Promise<void> {
    const { config, ports } = this.#options;
    if (this.#listener !== undefined) {
      this.#listener.reload(material);
      return;
    }
    if (this.#api === undefined || config.apiListen === undefined) return;
    this.#listener = await openTlsApi(this.#api, {
      ...config.apiListen,
      material,
      cluster: config.cluster,
      requestsPerSecond: config.apiRequestRate,
      connections: config.apiConnections,
      clock: ports.clock,
      log: ports.log,
    });
  }

  /** The first answer of the nodes that have the CA's key. */
  async #askOthers(request: string, material: TlsMaterial, signal: AbortSignal): Promise<string> {
    const { ports, agent, identity } = this.#options;
    const { random, log } = ports;
    const signers = await findSigners({ kv: agent.kv, layout: agent.layout, random }, signal);
    const others = signers.filter(({ node }) => node !== identity.nodeId).slice(0, ASKED_NODES);
    for (const { node, url } of others) {
      const http = openHttp({ url, ...material, node }, { timeoutMs: SIGN_MS });
      try {
        const call = { method: 'POST', path: '/v1/node/certificate', body: { request } } as const;
        return (await http.json<CertificateAnswer>(call, signal)).certificate;
      } catch (err) {
        signal.throwIfAborted();
        log.warn({ node, err }, 'certificate not renewed by a node that signs');
      } finally {
        http.close();
      }
    }
    throw new AgentError(
      'UNAVAILABLE',
      `Cannot renew this node's certificate: expected a node with pki.caKey that answers, asked ${others.length}`,
    );
  }
}
