import { isIPv6, type Socket } from 'node:net';

/** One connection over TCP. */
interface Connection {
  readonly socket: Socket;
  /** Whose it is until it has shown a certificate. */
  readonly address: string;
  /** Whose it is afterwards. */
  certificate: string | undefined;
  /** Requests being answered on it. */
  busy: number;
}

/** How many connections there may be. */
export interface ShareLimits {
  /** Of all that have shown no certificate yet. */
  readonly unknown: number;
  /** Of those, of one address. */
  readonly address: number;
  /** Of one certificate. */
  readonly certificate: number;
}

/** Of so many connections in all. */
export function shareLimits(most: number): ShareLimits {
  const part = (share: number) => Math.max(4, Math.floor(most / share));
  return { unknown: part(2), address: part(16), certificate: part(8) };
}

/**
 * Who has how many connections. One that has shown no certificate gives way to newer ones of its address, or to newer ones at all when
 * there are too many: whoever opens them and says nothing keeps nobody else out. Of a certificate, those that are idle give way.
 */
export class ConnectionShares {
  readonly #limits: ShareLimits;
  /** In the order in which they came. */
  readonly #all = new Map<string, Connection>();
  readonly #unknown = new Set<Connection>();

  constructor(limits: ShareLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  /** A connection has come. */
  add(socket: Socket): void {
    const id = idOf(socket);
    if (id === undefined) {
      socket.destroy(); // gone already
      return;
    }
    const connection: Connection = {
      socket,
      address: addressGroup(socket.remoteAddress ?? ''),
      certificate: undefined,
      busy: 0,
    };
    this.#all.set(id, connection);
    this.#unknown.add(connection);
    socket.once('close', () => this.#forget(id, connection));
    this.#makeRoom(connection.address);
  }

  /** It has shown this certificate. False when that one has too many, all of them busy. */
  identify(socket: Socket, certificate: string): boolean {
    const connection = this.#find(socket);
    if (connection === undefined || connection.certificate === certificate) return true;
    const mine = [...this.#all.values()].filter((each) => each.certificate === certificate);
    if (mine.length >= this.#limits.certificate) {
      const idle = mine.find(({ busy }) => busy === 0);
      if (idle === undefined) return false;
      this.#end(idle);
    }
    connection.certificate = certificate;
    this.#unknown.delete(connection);
    return true;
  }

  /** A request on it is being answered, until the returned function is called. */
  begin(socket: Socket): () => void {
    const connection = this.#find(socket);
    if (connection === undefined) return () => {};
    connection.busy += 1;
    return () => {
      connection.busy -= 1;
    };
  }

  /** Ends all. */
  endAll(): void {
    for (const connection of [...this.#all.values()]) this.#end(connection);
  }

  #makeRoom(address: string): void {
    const ofAddress = [...this.#unknown].filter((each) => each.address === address);
    const oldest = ofAddress.length > this.#limits.address ? ofAddress[0] : undefined;
    if (oldest !== undefined) this.#end(oldest);
    const [first] = this.#unknown;
    if (this.#unknown.size > this.#limits.unknown && first !== undefined) this.#end(first);
  }

  #end(connection: Connection): void {
    const id = idOf(connection.socket);
    if (id !== undefined) this.#forget(id, connection);
    connection.socket.destroy();
  }

  #forget(id: string, connection: Connection): void {
    if (this.#all.get(id) === connection) this.#all.delete(id);
    this.#unknown.delete(connection);
  }

  #find(socket: Socket): Connection | undefined {
    const id = idOf(socket);
    return id === undefined ? undefined : this.#all.get(id);
  }
}

/** The same for a connection before and after TLS was laid over it. */
function idOf({ remoteAddress, remotePort }: Socket): string | undefined {
  return remoteAddress === undefined ? undefined : `${remoteAddress}|${remotePort}`;
}

/** Of IPv6 the network: whoever has one address there has as many as they like. */
function addressGroup(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address;
  return address.split(':').slice(0, 4).join(':');
}
