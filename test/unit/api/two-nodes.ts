import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { WebSocket } from 'ws';
import type { ApiDeps } from '../../../src/api/api-deps.ts';
import { type Api, makeApi } from '../../../src/api/make-api.ts';
import { openApi } from '../../../src/api/open-api.ts';
import type { Peers } from '../../../src/api/peers.ts';
import { AgentError } from '../../../src/domain/errors.ts';
import type { NodeId } from '../../../src/domain/ids.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { type Client, openClient } from '../../../src/wire/client.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { addNode, type Fixture, layout, node1, node2 } from './api-fixture.ts';

/** One of the two agents. */
export interface TwinNode {
  readonly api: Api;
  readonly client: Client;
  readonly socketPath: string;
}

/** Two agents of one cluster in this process, each the other's peer. */
export interface TwoNodes {
  readonly nodes: readonly [TwinNode, TwinNode];
  /** What the leader and the nodes write: for `assign`, `report`. */
  readonly store: Pick<Fixture, 'put' | 'remove'>;
  /** Ends every connection to a node and lets none through, until told otherwise. */
  readonly setReachable: (node: NodeId, isReachable: boolean) => void;
}

type Given = Partial<Pick<ApiDeps, 'runtimes'>>;

/** @param peers false: neither has an API over TCP */
export async function openTwoNodes(t: TestContext, given: readonly [Given, Given], peers = true): Promise<TwoNodes> {
  const store = new MemoryStore(systemClock, { callMs: 200, attemptMs: 100 });
  const writer = store.client('others');
  const folder = await mkdtemp(join(tmpdir(), 'muster-twins-'));
  const wire = new PeerWire();
  const open = async (id: NodeId, hostname: string, { runtimes = [] }: Given): Promise<TwinNode> => {
    const kv = store.client(hostname);
    const api = makeApi({
      cluster: 'test',
      version: '1.2.3',
      store: { kv, layout, clock: systemClock },
      node: { id, hostname, state: () => ({ joined: true, leader: false, text: '' }), onChange: () => () => {} },
      runtimes,
      ...(peers ? { peers: wire.peersOf(id) } : {}),
      clock: systemClock,
      log: silentLog,
    });
    const socketPath = join(folder, `${hostname}.sock`);
    wire.apis.set(id, { api, socketPath });
    const listener = await openApi(api, { socketPath, group: 'no-such-group', log: silentLog });
    const client = openClient({ socketPath }, { timeoutMs: 5_000 });
    t.after(async () => {
      client.close();
      await listener.close();
      kv.close();
    });
    return { api, client, socketPath };
  };
  const nodes = [await open(node1, 'node1', given[0]), await open(node2, 'node2', given[1])] as const;
  t.after(async () => {
    writer.close();
    await rm(folder, { recursive: true });
  });
  const { signal } = new AbortController();
  const written: Pick<Fixture, 'put' | 'remove'> = {
    put: async (key, value) => (await writer.commit({ compares: [], writes: [{ put: key, value }] }, signal)).revision,
    remove: async (key) => void (await writer.commit({ compares: [], writes: [{ delete: key }] }, signal)),
  };
  await addNode(written as Fixture, node1, 'node1');
  await addNode(written as Fixture, node2, 'node2');
  return { nodes, store: written, setReachable: (node, isReachable) => wire.setReachable(node, isReachable) };
}

/** What lies between the two: each request goes to the other's API with the certificate of whoever asks. */
class PeerWire {
  readonly apis = new Map<NodeId, { readonly api: Api; readonly socketPath: string }>();
  readonly #cut = new Set<NodeId>();
  readonly #open = new Map<AbortController, NodeId>();

  setReachable(node: NodeId, isReachable: boolean): void {
    if (isReachable) this.#cut.delete(node);
    else this.#cut.add(node);
    for (const [controller, to] of this.#open) if (to === node && !isReachable) controller.abort(new Error('cut off'));
  }

  peersOf(asking: NodeId): Peers {
    return {
      fetch: async (node, request, signal) => {
        const api = this.apis.get(node)?.api;
        if (this.#cut.has(node) || api === undefined) {
          throw new AgentError('UNAVAILABLE', `Cannot reach node ${node.slice(0, 8)}`);
        }
        const wire = new AbortController();
        this.#open.set(wire, node);
        const end = () => wire.abort(signal.reason);
        signal.addEventListener('abort', end, { once: true });
        const { name, role } = request.onBehalfOf;
        const caller = { via: 'tls', name: asking, role: 'node', onBehalfOf: { name, role } } as const;
        const url = `http://peer${request.path}`;
        const response = await api.fetch(new Request(url, { method: request.method, signal: wire.signal }), caller);
        const body = response.body?.pipeThrough(new TransformStream(), { signal: wire.signal }) ?? null;
        return new Response(body, response);
      },
      connect: async (node, { path }, signal) => {
        const { socketPath } = this.apis.get(node) ?? {};
        if (this.#cut.has(node) || socketPath === undefined) {
          throw new AgentError('UNAVAILABLE', `Cannot reach node ${node.slice(0, 8)}`);
        }
        const socket = new WebSocket(`ws://peer${path}`, { createConnection: () => connect(socketPath) });
        const wire = new AbortController();
        this.#open.set(wire, node);
        wire.signal.addEventListener('abort', () => socket.terminate());
        await once(socket, 'open', { signal });
        return socket;
      },
    };
  }
}
