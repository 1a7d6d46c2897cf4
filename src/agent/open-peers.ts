import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { Readable } from 'node:stream';
import type { TlsMaterial } from '../api/open-tls.ts';
import { behalfHeaders, type PeerRequest, type PeerSocket, type Peers } from '../api/peers.ts';
import { nodeRecordCodec } from '../cluster/codecs.ts';
import type { Layout } from '../cluster/layout.ts';
import { AgentError, type ErrorCode } from '../domain/errors.ts';
import type { NodeId } from '../domain/ids.ts';
import type { NodeRecord } from '../domain/node.ts';
import type { Kv } from '../etcd/port.ts';
import type { Clock } from '../loop/clock.ts';
import { type TlsTarget, tlsOptions, translateFailure } from '../wire/target.ts';
import { openPeerSocket } from './peer-socket.ts';

export interface PeersOptions {
  readonly kv: Pick<Kv, 'get'>;
  readonly layout: Layout;
  readonly clock: Clock;
  /** This node's certificate as it is now. */
  readonly material: () => TlsMaterial | undefined;
}

/** The real port to other nodes, and the way to close what it holds. */
export interface OpenedPeers extends Peers {
  close(): void;
}

/** How long a node may take until its answer begins. */
const ANSWER_MS = 15_000;
/** Kept open to one node when nothing is asked. */
const IDLE_SOCKETS = 4;

/** Where a node is, and the connections to it: to none other, since the certificate was looked at when they were made. */
interface Peer {
  readonly hostname: string;
  readonly target: TlsTarget;
  readonly agent: Agent;
}

/** Opens nothing before the first request. */
export function openPeers(options: PeersOptions): OpenedPeers {
  return new HttpsPeers(options);
}

class HttpsPeers implements OpenedPeers {
  readonly #options: PeersOptions;
  readonly #peers = new Map<NodeId, Peer>();
  readonly #records = new Map<NodeId, NodeRecord>();

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  async fetch(node: NodeId, asked: PeerRequest, signal: AbortSignal): Promise<Response> {
    const peer = await this.#peer(node, signal);
    try {
      return makeResponse(await this.#send(peer, asked, signal));
    } catch (error) {
      throw nameNode(peer, translateFailure(error, peer.target, signal));
    }
  }

  async connect(
    node: NodeId,
    asked: Pick<PeerRequest, 'path' | 'headers' | 'onBehalfOf'>,
    signal: AbortSignal,
  ): Promise<PeerSocket> {
    const peer = await this.#peer(node, signal);
    try {
      return await openPeerSocket(
        { target: peer.target, path: asked.path, headers: headersOf(asked), limitMs: ANSWER_MS },
        signal,
      );
    } catch (error) {
      throw nameNode(peer, translateFailure(error, peer.target, signal));
    }
  }

  close(): void {
    for (const { agent } of this.#peers.values()) agent.destroy();
    this.#peers.clear();
  }

  async #send({ target, agent }: Peer, asked: PeerRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const body = asked.body === undefined ? undefined : Buffer.from(asked.body);
    const length = body === undefined ? {} : { 'content-length': body.length };
    return new Promise((resolve, reject) => {
      const sent = request({
        ...tlsOptions(target),
        agent,
        signal,
        method: asked.method,
        path: asked.path,
        headers: { host: 'muster', ...headersOf(asked), ...length },
      });
      const late = this.#options.clock.after(ANSWER_MS, () =>
        sent.destroy(new AgentError('UNAVAILABLE', `Cannot get an answer from ${target.url} within ${ANSWER_MS} ms`)),
      );
      sent.on('error', (error) => {
        late();
        reject(error);
      });
      sent.on('response', (response) => {
        late();
        resolve(response);
      });
      sent.end(body);
    });
  }

  async #peer(node: NodeId, signal: AbortSignal): Promise<Peer> {
    const material = this.#options.material();
    if (material === undefined)
      throw new AgentError(
        'UNAVAILABLE',
        `Cannot ask node ${node}: expected this node to have a certificate (api.tls)`,
      );
    const record = await this.#record(node, signal);
    if (record.api === undefined)
      throw new AgentError(
        'UNAVAILABLE',
        `Cannot ask node "${record.hostname}": expected its API to listen on TCP (api.listen)`,
      );
    const url = `https://${record.api}`;
    const known = this.#peers.get(node);
    if (known?.target.url === url && known.target.cert === material.cert && known.target.ca === material.ca)
      return known;
    if (known !== undefined) endIdle(known.agent);
    const agent = new Agent({ keepAlive: true, maxFreeSockets: IDLE_SOCKETS });
    const peer: Peer = { hostname: record.hostname, target: { url, ...material, node }, agent };
    this.#peers.set(node, peer);
    return peer;
  }

  /** As the store has it; while the store is away, as it last was. */
  async #record(node: NodeId, signal: AbortSignal): Promise<NodeRecord> {
    const { kv, layout } = this.#options;
    try {
      const { kv: found } = await kv.get(layout.nodeRecord(node), signal);
      if (found === undefined) throw new AgentError('NOT_FOUND', `Cannot ask node ${node}: there is no such node`);
      const record = nodeRecordCodec.decode(found.value, found.key);
      this.#records.set(node, record);
      return record;
    } catch (error) {
      signal.throwIfAborted();
      const last = this.#records.get(node);
      if (last === undefined || !(error instanceof AgentError) || error.code !== 'UNAVAILABLE') throw error;
      return last;
    }
  }
}

function headersOf({
  headers,
  onBehalfOf: caller,
}: Pick<PeerRequest, 'headers' | 'onBehalfOf'>): Record<string, string> {
  const { name, role } = caller.onBehalfOf ?? caller;
  return { ...headers, [behalfHeaders.name]: name, [behalfHeaders.role]: role };
}

/** What goes on is let go on; what is idle would be kept for nothing. */
function endIdle(agent: Agent): void {
  for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
}

function nameNode({ hostname }: Peer, error: unknown): unknown {
  if (!(error instanceof AgentError) || !isOfConnection.has(error.code)) return error;
  return new AgentError('UNAVAILABLE', `Cannot ask node "${hostname}"`, { cause: error });
}

/** Of whether it could be asked at all; what it refuses is told as it said it. */
const isOfConnection: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'UNAUTHENTICATED']);

function makeResponse(incoming: IncomingMessage): Response {
  const status = incoming.statusCode ?? 502;
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (typeof value === 'string' && !hopByHop.has(name)) headers.set(name, value);
  }
  if (status === 204 || status === 304) {
    incoming.resume();
    return new Response(null, { status, headers });
  }
  return new Response(Readable.toWeb(incoming) as ReadableStream<Uint8Array<ArrayBuffer>>, { status, headers });
}

/** About a connection, not about an answer. */
const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'upgrade', 'trailer']);
