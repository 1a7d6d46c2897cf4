import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { StoreWrite } from './judge.ts';
import { nowMs } from './run-log.ts';

/**
 * A store as `MUSTER_FENCING_TOKEN` is meant for: of each instance it takes a write only if its token is at least as great as
 * the greatest that it has seen. It listens on a socket in the folder that all machines share, so that no cut of the network
 * keeps a late writer from it.
 */
export class TokenStore {
  readonly writes: StoreWrite[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #highest = new Map<string, bigint>();

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => this.#serve(socket));
  }

  static async open(folder: string): Promise<TokenStore> {
    const path = join(folder, 'store.sock');
    await rm(path, { force: true });
    const server = createServer().listen({ path, writableAll: true, readableAll: true });
    await once(server, 'listening');
    return new TokenStore(server);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Takes or refuses one write. */
  write(instance: string, token: string, run: string): boolean {
    const value = BigInt(token);
    const accepted = value >= (this.#highest.get(instance) ?? 0n);
    if (accepted) this.#highest.set(instance, value);
    this.writes.push({ atMs: nowMs(), instance, run, token, accepted });
    return accepted;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    let rest = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [instance = '', token = '', run = ''] = line.split(' ');
        socket.write(this.write(instance, token, run) ? 'A' : 'R');
      }
    });
  }
}
