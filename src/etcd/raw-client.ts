import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { Etcd3 } from 'etcd3';
import type { EtcdTls } from './etcd-options.ts';
import { GrpcFailure, grpcCode } from './grpc-failure.ts';

export type ServiceName = 'KV' | 'Lease' | 'Watch' | 'Maintenance';

/** Something asked and not yet answered. After `cancel` the promise may stay unsettled or reject: nobody may wait for it. */
export interface PendingCall<T> {
  readonly answer: Promise<T>;
  cancel(): void;
}

export interface StreamEnds<Response> {
  readonly onData: (response: Response) => void;
  /** Once, and the last: not after `cancel`. */
  readonly onEnd: (failure: GrpcFailure) => void;
}

export interface OpenStream<Request> {
  write(request: Request): void;
  cancel(): void;
}

// What is used of grpc-js, whose own types etcd3 hides.
interface Status {
  readonly code: number;
  readonly details: string;
}
interface Metadata {
  set(key: string, value: string): void;
}
interface InterceptingCall {
  start(metadata: Metadata, listener: unknown): void;
}
type Interceptor = (options: unknown, nextCall: (options: unknown) => InterceptingCall) => InterceptingCall;
interface UnaryCall {
  cancel(): void;
}
interface BidiStream {
  on(event: 'data', listener: (response: unknown) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  on(event: 'status', listener: (status: Status) => void): void;
  write(request: unknown): void;
  cancel(): void;
}
interface Channel {
  getConnectivityState(tryToConnect: boolean): number;
  watchConnectivityState(current: number, deadline: number, changed: () => void): void;
}
interface Service {
  getChannel(): Channel;
  close(): void;
  [method: string]: unknown;
}
interface Pool {
  readonly hosts: readonly [{ readonly channelCredentials: object; getServiceClient(name: ServiceName): Service }];
}

const state = { ready: 2, transientFailure: 3 } as const;

/** etcd answers "too many pings" to less than 5 s; at 5 s a black-holed connection is found out within 7 s. */
const channelOptions = {
  'grpc.keepalive_time_ms': 5_000,
  'grpc.keepalive_timeout_ms': 2_000,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 1_000,
};

/** Streams end when the member has no leader, else a partitioned one stays silent for ever. Unary calls fail by themselves. */
const requireLeader: Interceptor = (options, nextCall) => {
  const call = nextCall(options);
  const start = call.start.bind(call);
  call.start = (metadata, listener) => {
    metadata.set('hasleader', 'true');
    start(metadata, listener);
  };
  return call;
};

/** One endpoint through etcd3's generated clients and nothing above them. Connects when first used. */
export class RawClient {
  readonly endpoint: string;
  readonly #etcd: Etcd3;
  readonly #pool: Pool;
  readonly #used = new Set<ServiceName>();
  readonly #streams = new Set<() => void>();
  #isClosed = false;

  constructor(endpoint: string, tls: EtcdTls | undefined) {
    this.endpoint = endpoint;
    const { hostname } = new URL(endpoint);
    const host = hostname.replace(/^\[|\]$/g, '');
    const secure = endpoint.startsWith('https:');
    const isIp = isIP(host) !== 0;
    // Node refuses an IP literal as the TLS server name: send a name that means nothing and check the certificate against the IP.
    const serverName = secure ? (tls?.serverName ?? (isIp ? 'ip.invalid' : undefined)) : undefined;
    this.#etcd = new Etcd3({
      hosts: endpoint,
      ...(secure && tls && { credentials: credentialsOf(tls) }),
      grpcOptions: {
        ...channelOptions,
        ...(serverName !== undefined && { 'grpc.ssl_target_name_override': serverName }),
      },
    });
    this.#pool = (this.#etcd as unknown as { readonly pool: Pool }).pool;
    if (secure && tls?.serverName === undefined && isIp) {
      Object.assign(this.#pool.hosts[0].channelCredentials, {
        verifyOptions: { checkServerIdentity: (_: string, cert: PeerCertificate) => checkServerIdentity(host, cert) },
      });
    }
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether a connection is up, as far as is known here. Begins none. */
  get isConnected(): boolean {
    if (this.#isClosed) return false;
    return [...this.#used].some((name) => this.#channel(name).getConnectivityState(false) === state.ready);
  }

  /** Resolves when a connection is up; rejects as soon as connecting has failed once. At once when it's up. */
  connected(name: ServiceName): PendingCall<void> {
    let cancelled = false;
    const answer = new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (cancelled) return;
        if (this.#isClosed) {
          reject(givenUp());
          return;
        }
        const channel = this.#channel(name);
        const now = channel.getConnectivityState(true);
        if (now === state.ready) resolve();
        else if (now === state.transientFailure) this.#whyNotConnected().then(reject, reject);
        else channel.watchConnectivityState(now, Number.POSITIVE_INFINITY, look);
      };
      look();
    });
    return {
      answer,
      cancel: () => {
        cancelled = true;
      },
    };
  }

  /** One request, one answer. */
  unary<Request, Response>(name: ServiceName, method: string, request: Request): PendingCall<Response> {
    let call: UnaryCall | undefined;
    const answer = new Promise<Response>((resolve, reject) => {
      const service = this.#service(name);
      const invoke = service[method] as (
        request: Request,
        options: object,
        done: (error: Status | null, response: Response) => void,
      ) => UnaryCall;
      call = invoke.call(service, request, {}, (error, response) => {
        if (error) reject(new GrpcFailure(error.code, error.details, { sent: true }));
        else resolve(response);
      });
    });
    return { answer, cancel: () => call?.cancel() };
  }

  /** A stream both ways that ends when its member has no leader. */
  stream<Request, Response>(name: ServiceName, method: string, ends: StreamEnds<Response>): OpenStream<Request> {
    const service = this.#service(name);
    const invoke = service[method] as (options: { readonly interceptors: readonly Interceptor[] }) => BidiStream;
    const stream = invoke.call(service, { interceptors: [requireLeader] });
    let open = true;
    const end = (failure: GrpcFailure) => {
      if (!open) return;
      open = false;
      this.#streams.delete(giveUp);
      ends.onEnd(failure);
    };
    const giveUp = () => {
      end(givenUp());
      stream.cancel();
    };
    this.#streams.add(giveUp);
    stream.on('data', (response) => {
      if (open) ends.onData(response as Response);
    });
    stream.on('error', () => {}); // 'status' tells it
    stream.on('status', ({ code, details }) => {
      const ended = code === 0; // a member that stops ends its streams with OK
      end(new GrpcFailure(ended ? grpcCode.unavailable : code, ended ? 'the stream ended' : details, { sent: true }));
    });
    return {
      write: (request) => {
        if (open) stream.write(request);
      },
      cancel: () => {
        open = false;
        this.#streams.delete(giveUp);
        stream.cancel();
      },
    };
  }

  /** Ends every stream and the connection. */
  close(): void {
    this.#isClosed = true;
    for (const giveUp of [...this.#streams]) giveUp();
    this.#etcd.close();
  }

  /** The channel keeps the reason to itself: a read that it must fail at once tells it. */
  async #whyNotConnected(): Promise<GrpcFailure> {
    const read = this.unary('KV', 'range', { key: Buffer.from('\0'), count_only: true });
    const details = await read.answer.then(
      () => 'connection lost',
      (failure: unknown) => (failure instanceof GrpcFailure ? lastErrorOf(failure.details) : String(failure)),
    );
    return new GrpcFailure(grpcCode.unavailable, details, { sent: false });
  }

  #channel(name: ServiceName): Channel {
    return this.#service(name).getChannel();
  }

  #service(name: ServiceName): Service {
    if (this.#isClosed) throw givenUp();
    this.#used.add(name);
    return this.#pool.hosts[0].getServiceClient(name);
  }
}

/** `No connection established. Last error: Error: connect ECONNREFUSED …. Resolution note: ` without grpc-js's own words. */
function lastErrorOf(details: string): string {
  return /Last error: (?:Error: )?(.+?)\.? Resolution note:/.exec(details)?.[1] ?? details;
}

function givenUp(): GrpcFailure {
  return new GrpcFailure(grpcCode.unavailable, 'the endpoint was given up', { sent: false });
}

function credentialsOf(tls: EtcdTls) {
  return {
    rootCertificate: Buffer.from(tls.ca),
    ...(tls.key !== undefined && { privateKey: Buffer.from(tls.key) }),
    ...(tls.cert !== undefined && { certChain: Buffer.from(tls.cert) }),
  };
}
