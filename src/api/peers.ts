import type { WebSocket } from 'ws';
import type { NodeId } from '../domain/ids.ts';
import type { Caller } from './caller.ts';

/** A request to another node's API. */
export interface PeerRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH';
  /** With its query; its parts are encoded already. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** As it travels; its type is in the headers. */
  readonly body?: string;
  /** Who asked this node: told to the other one, for its log. */
  readonly onBehalfOf: Caller;
}

/** A WebSocket to another node's API. */
export type PeerSocket = WebSocket;

/**
 * The APIs of other nodes, over mutual TLS with this node's certificate. Whoever answers must have the certificate of the node that
 * was meant: an address that another machine has since is refused.
 */
export interface Peers {
  /**
   * Sends a request to that node's API and gives its answer, whatever its status, as soon as its head is there; the body comes as it's
   * read, and ends with the signal. `UNAVAILABLE` naming the node where it has no address, can't be reached, or doesn't answer in time.
   */
  fetch(node: NodeId, request: PeerRequest, signal: AbortSignal): Promise<Response>;
  /** Opens a WebSocket to that node's API, open when it's given. Errors as with {@link fetch}; a refusal as the node made it. */
  connect(
    node: NodeId,
    request: Pick<PeerRequest, 'path' | 'headers' | 'onBehalfOf'>,
    signal: AbortSignal,
  ): Promise<PeerSocket>;
}

/** What a node says of whoever asked it, when it asks another one. */
export const behalfHeaders = { name: 'muster-on-behalf-of', role: 'muster-on-behalf-role' } as const;
