import { AgentError } from '../domain/errors.ts';
import type { Log } from '../loop/log.ts';
import type { EtcdTls } from './etcd-options.ts';
import type { GrpcFailure } from './grpc-failure.ts';
import { RawClient } from './raw-client.ts';

export interface EndpointsOptions {
  readonly tls: EtcdTls | undefined;
  /** Where to begin, modulo their number. */
  readonly first: number;
  readonly log: Log;
  /** Another one has come into use: it has answered. */
  readonly onEndpoint?: ((url: string) => void) | undefined;
}

/**
 * The members of the store, one of them in use until it fails. Only that one is connected. One that was left keeps its
 * streams until another has answered: while none does, as in an election, moving them would only add to the trouble.
 */
export class Endpoints {
  readonly #urls: readonly string[];
  readonly #tls: EtcdTls | undefined;
  readonly #log: Log;
  readonly #onEndpoint: EndpointsOptions['onEndpoint'];
  readonly #clients = new Map<string, RawClient>();
  #at: number;
  #answeredLast: string | undefined;
  #isClosed = false;

  constructor(urls: readonly string[], options: EndpointsOptions) {
    if (urls.length === 0) throw new AgentError('INVALID_INPUT', 'Cannot open etcd: expected at least one endpoint');
    for (const url of urls) requireEndpoint(url);
    this.#urls = urls;
    this.#tls = options.tls;
    this.#log = options.log;
    this.#onEndpoint = options.onEndpoint;
    this.#at = options.first % urls.length;
  }

  get size(): number {
    return this.#urls.length;
  }

  /** All of them, the one in use first. */
  fromCurrent(): string[] {
    return [...this.#urls.slice(this.#at), ...this.#urls.slice(0, this.#at)];
  }

  /** The endpoint in use. */
  current(): RawClient {
    return this.client(this.#urls[this.#at] as string);
  }

  /** One of them; it connects when it's used. */
  client(url: string): RawClient {
    if (this.#isClosed) throw new AgentError('UNAVAILABLE', 'Cannot call etcd: the client was closed');
    const known = this.#clients.get(url);
    if (known && !known.isClosed) return known;
    const client = new RawClient(url, this.#tls);
    this.#clients.set(url, client);
    return client;
  }

  /** This one answered. Where it's the first to since another was left, the streams of that one move here. */
  answered(client: RawClient): void {
    if (this.#answeredLast === client.endpoint || this.#urls[this.#at] !== client.endpoint) return;
    this.#answeredLast = client.endpoint;
    for (const [url, other] of this.#clients) {
      if (other === client) continue;
      this.#clients.delete(url);
      other.close();
    }
    this.#log.info({ endpoint: client.endpoint }, 'etcd endpoint in use');
    this.#onEndpoint?.(client.endpoint);
  }

  /**
   * This one failed: the next call uses the next one. Does nothing where another call has already moved on, or where the
   * connection was given up here: that says nothing of the endpoint, which may be in use again by now.
   */
  leave(failed: RawClient, reason: GrpcFailure): void {
    if (this.#isClosed || failed.isClosed || this.size === 1 || this.#urls[this.#at] !== failed.endpoint) return;
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
