import { request as openRequest } from 'node:http';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { Fleetctl, type Ran } from '../../support/fleetctl.ts';
import type { LabNode } from '../lab-node.ts';

/** fleet's client on a node of the lab, with the unit files of its folder. */
export class FleetClient {
  readonly files = new Map<string, string>();
  readonly #client: Fleetctl;

  constructor(node: LabNode) {
    const api = { fetch: async (request: Request) => askSocket(node, request) };
    this.#client = new Fleetctl({ api, clock: systemClock, files: this.files, machineId: node.machineId });
  }

  /** Runs a command line; throws with what it has printed unless it ends as expected. */
  async run(line: string, exit = 0): Promise<Ran> {
    const ran = await this.#client.run(line);
    if (ran.exit !== exit) throw new Error(`fleetctl ${line} ended with ${ran.exit}: ${ran.out.join('\n')}`);
    return ran;
  }
}

/** A request of any client's to the node's own socket. */
export async function askSocket(node: LabNode, request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const body = await request.text();
  const socketPath = `/proc/${node.leaderPid}/root/run/muster/muster.sock`;
  const headers = { ...Object.fromEntries(request.headers), 'content-length': String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const options = { socketPath, method: request.method, path: pathname + search, headers, timeout: 30_000 };
    const asking = openRequest(options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const status = answer.statusCode ?? 0;
        resolve(new Response(status === 204 ? null : Buffer.concat(chunks), { status }));
      });
    });
    asking.on('timeout', () => asking.destroy(new Error(`${request.method} ${pathname}: no answer within 30 s`)));
    asking.on('error', reject);
    asking.end(body);
  });
}
