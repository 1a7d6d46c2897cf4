import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A wire on loopback that a test can cut, stop and slow. */
export class TcpProxy {
  readonly port: number;
  /** Connections taken since it was opened. */
  accepted = 0;
  readonly #server: Server;
  readonly #targetPort: number;
  readonly #pairs = new Set<{ readonly near: Socket; readonly far: Socket }>();
  #stopped: 'no' | 'answers' | 'both' = 'no';
  #cutAfterBytes = Number.POSITIVE_INFINITY;

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    this.#targetPort = targetPort;
    this.port = (server.address() as { port: number }).port;
    server.on('connection', (near) => this.#join(near));
  }

  static async open(targetPort: number, host = '127.0.0.1'): Promise<TcpProxy> {
    const server = createServer().listen(0, host);
    await once(server, 'listening');
    return new TcpProxy(server, targetPort);
  }

  /** Resets every connection; new ones are taken. */
  cut(): void {
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy();
      far.destroy();
    }
  }

  /** Resets the next connection that has brought so many bytes of answers, once. */
  cutAfter(bytes: number): void {
    this.#cutAfterBytes = bytes;
  }

  /** A black hole: connections stay, and new ones are taken, but nothing passes (or no answers do). */
  stop(what: 'answers' | 'both' = 'both'): void {
    this.#stopped = what;
    for (const { near, far } of this.#pairs) {
      far.pause();
      if (what === 'both') near.pause();
    }
  }

  /** What was stopped is lost with its connection. */
  go(): void {
    this.#stopped = 'no';
    this.#cutAfterBytes = Number.POSITIVE_INFINITY;
    this.cut();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(near: Socket): void {
    this.accepted += 1;
    const far = connect(this.#targetPort, '127.0.0.1');
    const pair = { near, far };
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', end);
    }
    let answered = 0;
    near.on('data', (bytes) => far.write(bytes));
    far.on('data', (bytes) => {
      near.write(bytes);
      answered += bytes.length;
      if (answered < this.#cutAfterBytes) return;
      this.#cutAfterBytes = Number.POSITIVE_INFINITY;
      near.resetAndDestroy();
      end();
    });
    if (this.#stopped !== 'no') far.pause();
    if (this.#stopped === 'both') near.pause();
  }
}
