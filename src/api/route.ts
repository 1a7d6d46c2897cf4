import type { ApiDeps } from './api-deps.ts';
import type { Caller, Role } from './caller.ts';

/** One request, as handlers see it. */
export interface RouteRequest {
  readonly deps: ApiDeps;
  readonly caller: Caller;
  /** The client's own, or a new one: in each answer and each line of the log. */
  readonly requestId: string;
  /** Aborts when the client goes, the API closes, or the answer takes too long. */
  readonly signal: AbortSignal;
  /** A part of the path; empty where the route has none of that name. */
  readonly param: (name: string) => string;
  readonly query: (name: string) => string | undefined;
  /** All values of a parameter that may be given several times. */
  readonly queries: (name: string) => readonly string[];
  readonly header: (name: string) => string | undefined;
  /** The body as JSON, `any`: whatever its type is said to be. Rejects `LIMIT`, `INVALID_INPUT`. */
  readonly body: (type?: 'any') => Promise<unknown>;
}

/** A parameter after the question mark, for the documents. */
export interface QueryParameter {
  readonly summary: string;
  /** What a value looks like. */
  readonly example: string;
}

interface RouteBase {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH';
  /** `:name` is a parameter. */
  readonly path: string;
  /** The least role that may call it; operators may what viewers may. `node`: other agents alone, and the unix socket. */
  readonly role: Role;
  /** What it does, in one line. */
  readonly summary: string;
  readonly query?: Readonly<Record<string, QueryParameter>>;
  /** Takes `If-Match` and `If-None-Match`: the spec that the change expects to find. */
  readonly conditional?: true;
  /** Answered also while the node hasn't joined its cluster. */
  readonly unjoined?: true;
}

/** One JSON value, within 20 s. */
export interface AnswerRoute extends RouteBase {
  readonly kind: 'answer';
  readonly handle: (request: RouteRequest) => Promise<unknown>;
}

/** JSON values, one a line, for as long as the client takes them. */
export interface StreamRoute extends RouteBase {
  readonly kind: 'stream';
  /** What the lines are to this request, where they are no JSON values; they must then be prepared. */
  readonly contentType?: (request: RouteRequest) => string | undefined;
  readonly handle: (request: RouteRequest) => Promise<AsyncIterable<unknown>>;
}

/** An answer in a form of its own; errors are answered as everywhere. */
export interface RawRoute extends RouteBase {
  readonly kind: 'raw';
  /** How long it may take; absent: as long as the client stays. A stream's scope ends with the signal. */
  readonly limitMs?: number;
  readonly handle: (request: RouteRequest) => Promise<Response>;
}

/** One route of the API: the router, the check of roles and the documents are made from it. */
export type Route = AnswerRoute | StreamRoute | RawRoute;

/** An answer with a status other than 200, or with headers. */
export class Reply {
  readonly value: unknown;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  /** @param value `undefined`: no body */
  constructor(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}) {
    this.value = value;
    this.status = status;
    this.headers = headers;
  }
}
