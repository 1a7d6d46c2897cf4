import { AgentError } from '../domain/errors.ts';
import type { Log } from '../loop/log.ts';
import type { EtcdTls } from './etcd-options.ts';
import type { GrpcFailure } from './grpc-failure.ts';
import { RawClient } from './raw-client.ts';

/**
 * The members of the store, one of them in use until it fails. Only that one is connected; the others are connected when their
 * turn comes. One that was left while it was connected stays so for the streams on it, and costs nothing without them.
 */
export class Endpoints {
  readonly #urls: readonly string[];
  readonly #tls: EtcdTls | undefined;
  readonly #log: Log;
  readonly #clients = new Map<string, RawClient>();
  #at: number;
  #answeredLast: string | undefined;
  #isClosed = false;

  constructor(urls: readonly string[], options: { tls: EtcdTls | undefined; first: number; log: Log }) {
    if (urls.length === 0) throw new AgentError('INVALID_INPUT', 'Cannot open etcd: expected at least one endpoint');
    for (const url of urls) requireEndpoint(url);
    this.#urls = urls;
    this.#tls = options.tls;
    this.#log = options.log;
    this.#at = options.first % urls.length;
  }

  get size(): number {
    return this.#urls.length;
  }

  /** The endpoint in use. */
  current(): RawClient {
    if (this.#isClosed) throw new AgentError('UNAVAILABLE', 'Cannot call etcd: the client was closed');
    const url = this.#urls[this.#at] as string;
    const known = this.#clients.get(url);
    if (known && !known.isClosed) return known;
    const client = new RawClient(url, this.#tls);
    this.#clients.set(url, client);
    return client;
  }

  /** This one answered: worth a line when it isn't the one that answered before. */
  answered(client: RawClient): void {
    if (this.#answeredLast === client.endpoint) return;
    this.#answeredLast = client.endpoint;
    this.#log.info({ endpoint: client.endpoint }, 'etcd endpoint in use');
  }

  /** This one failed: the next call uses the next one. Does nothing where another call has already moved on. */
  leave(failed: RawClient, reason: GrpcFailure): void {
    if (this.#isClosed || this.size === 1 || this.#urls[this.#at] !== failed.endpoint) return;
    this.#at = (this.#at + 1) % this.size;
    if (!failed.isConnected) failed.close(); // else it would try to connect for ever
    this.#log.debug({ endpoint: failed.endpoint, reason: reason.details }, 'etcd endpoint left');
  }

  close(): void {
    this.#isClosed = true;
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}

function requireEndpoint(url: string): void {
  if (/^https?:\/\/[^/@?#]+:\d+$/.test(url) && URL.canParse(url)) return;
  throw new AgentError(
    'INVALID_INPUT',
    `Cannot parse etcd endpoint "${url}": expected http://host:port or https://host:port`,
  );
}
