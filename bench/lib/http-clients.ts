import { Agent, request } from 'node:http';
import { now } from './moments.ts';

/** One client of an agent's socket, on a connection of its own that it keeps. */
class SocketClient {
  readonly #socketPath: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** How long the answer took, to its last byte. Rejects for any but 200. */
  async time(path: string): Promise<number> {
    const beganMs = now();
    await new Promise<void>((resolve, reject) => {
      const sent = request({ socketPath: this.#socketPath, agent: this.#agent, path, timeout: 30_000 }, (response) => {
        response.resume();
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode === 200) resolve();
          else reject(new Error(`Cannot measure GET ${path}: it was answered with ${response.statusCode}`));
        });
      });
      sent.on('error', reject);
      sent.end();
    });
    return now() - beganMs;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** So many clients, each of which asks again as soon as it's answered, for a while; how long each answer took. */
export async function timeReads(
  socketPath: string,
  options: { readonly clients: number; readonly forMs: number; readonly path: (index: number) => string },
  signal: AbortSignal,
): Promise<number[]> {
  const tookMs: number[] = [];
  const untilMs = now() + options.forMs;
  let asked = 0;
  const ask = async () => {
    const client = new SocketClient(socketPath);
    try {
      while (now() < untilMs && !signal.aborted) tookMs.push(await client.time(options.path(asked++)));
    } finally {
      client.close();
    }
  };
  await Promise.all(Array.from({ length: options.clients }, ask));
  signal.throwIfAborted();
  return tookMs;
}
