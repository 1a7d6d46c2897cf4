import { Agent, request } from 'node:http';
import type { LabNode } from '../../test/lab/lab-node.ts';
import { fromIso } from './moments.ts';

/** A node's dockerd, spoken to over kept connections and with nothing in between: what a container costs at least. */
export class EngineApi {
  readonly #node: LabNode;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });

  constructor(node: LabNode) {
    this.#node = node;
  }

  /** Makes and starts a container; its ID. */
  async run(name: string, body: object): Promise<string> {
    const { Id: id } = (await this.#call('POST', `/containers/create?name=${name}`, body)) as { Id: string };
    await this.#call('POST', `/containers/${id}/start`);
    return id;
  }

  /** Since when a container runs. */
  async startedAt(nameOrId: string): Promise<number> {
    const { State: state } = (await this.#call('GET', `/containers/${nameOrId}/json`)) as {
      State: { Running: boolean; StartedAt: string };
    };
    if (!state.Running) throw new Error(`Cannot measure container "${nameOrId}": expected it to run`);
    return fromIso(state.StartedAt);
  }

  async remove(nameOrId: string): Promise<void> {
    await this.#call('DELETE', `/containers/${nameOrId}?force=true`);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #call(method: string, path: string, body?: object): Promise<unknown> {
    const text = body === undefined ? '' : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          socketPath: `/proc/${this.#node.leaderPid}/root/run/docker.sock`,
          agent: this.#agent,
          method,
          path,
          headers: { host: 'docker', 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const answer = Buffer.concat(chunks).toString();
            const isDone = (response.statusCode ?? 0) < 300;
            if (isDone) resolve(answer === '' ? undefined : JSON.parse(answer));
            else reject(new Error(`Cannot ${method} ${path}: ${response.statusCode} ${answer}`));
          });
        },
      );
      sent.on('error', reject);
      sent.end(text);
    });
  }
}
