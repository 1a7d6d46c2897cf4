import { Agent, type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { AgentError } from '../domain/errors.ts';
import { readLineBatches } from './lines.ts';
import { parseProblem } from './problem.ts';
import type { ClientTarget } from './target.ts';

type QueryValue = string | number | boolean;

/** One request. Its body travels as JSON. */
export interface Call {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH';
  /** Begins with `/`; its parts are encoded already. */
  readonly path: string;
  readonly query?: Readonly<Record<string, QueryValue | readonly QueryValue[] | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Requests to one agent over kept connections. */
export interface Http {
  json<T>(call: Call, signal: AbortSignal): Promise<T>;
  /** The answer's lines as they come; ends with the stream. Leaving the loop ends the request. */
  stream<T>(call: Call, signal: AbortSignal): AsyncIterable<T>;
  /** The same, as many at once as came together. */
  batches<T>(call: Call, signal: AbortSignal): AsyncIterable<readonly T[]>;
  close(): void;
}

/** An answer larger than this is not ours. */
const ANSWER_LIMIT_BYTES = 256 * 1024 * 1024;

/** Opens no connection before the first request. `timeoutMs`: how long an answer may take to begin, or to go on. */
export function openHttp(target: ClientTarget, options: { readonly timeoutMs: number }): Http {
  let opened: Promise<Transport> | undefined;
  const send = async (call: Call, signal: AbortSignal) => {
    opened ??= openTransport(target);
    return sendCall(target, await opened, { call, timeoutMs: options.timeoutMs }, signal);
  };
  async function* batches<T>(call: Call, signal: AbortSignal): AsyncGenerator<readonly T[]> {
    const response = await send(call, signal);
    try {
      if (response.statusCode !== 200) throw await readProblem(response, signal);
      response.socket.setTimeout(0);
      for await (const values of readLineBatches(response)) {
        const problem = problemIn(values.at(-1));
        const before = problem === undefined ? values : values.slice(0, -1);
        if (before.length > 0) yield before as readonly T[];
        if (problem !== undefined) throw problem;
      }
    } catch (error) {
      throw await translate(error, target, signal);
    } finally {
      response.destroy();
    }
  }
  return {
    json: async <T>(call: Call, signal: AbortSignal) => (await readJson(await send(call, signal), signal)) as T,
    stream: async function* <T>(call: Call, signal: AbortSignal) {
      for await (const values of batches<T>(call, signal)) yield* values;
    },
    batches,
    close: () => {
      opened?.then(({ close }) => close()).catch(() => {}); // whoever asked was told
    },
  };
}

/** How requests are sent to one agent. */
interface Transport {
  readonly send: (options: RequestOptions) => ClientRequest;
  readonly close: () => void;
}

/** TLS is loaded where it's used: without it a command starts sooner. */
async function openTransport(target: ClientTarget): Promise<Transport> {
  if ('url' in target) {
    const https = await import('node:https');
    const { tlsOptions } = await import('./target.ts');
    const connection = tlsOptions(target);
    const agent = new https.Agent({ keepAlive: true, maxFreeSockets: 16 });
    const send = (options: RequestOptions) => https.request({ ...connection, agent, ...options });
    return { send, close: () => agent.destroy() };
  }
  const { socketPath } = target;
  // A server name, though there is no TLS: else Node derives one, and compiles its pattern of IPv6 addresses for that (4 ms).
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 16, ...{ servername: '' } });
  return { send: (options) => request({ socketPath, agent, ...options }), close: () => agent.destroy() };
}

function sendCall(
  target: ClientTarget,
  transport: Transport,
  { call, timeoutMs }: { readonly call: Call; readonly timeoutMs: number },
  signal: AbortSignal,
): Promise<IncomingMessage> {
  signal.throwIfAborted();
  const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
  const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length };
  return new Promise((resolve, reject) => {
    const sent = transport.send({
      signal,
      method: call.method,
      path: call.path + queryText(call.query),
      headers: { host: 'muster', accept: 'application/json', ...call.headers, ...headers },
    });
    const onTimeout = () => {
      const name = 'url' in target ? target.url : target.socketPath;
      sent.destroy(
        new AgentError('UNAVAILABLE', `Cannot get an answer from the agent at ${name} within ${timeoutMs} ms`),
      );
    };
    sent.setTimeout(timeoutMs, onTimeout);
    sent.on('error', (error) => {
      translate(error, target, signal).then(reject, reject);
    });
    sent.on('response', resolve);
    sent.end(body);
  });
}

function queryText(query: Call['query']): string {
  const pairs = Object.entries(query ?? {}).flatMap(([key, value]) =>
    (value === undefined ? [] : [value].flat()).map(
      (one) => `${encodeURIComponent(key)}=${encodeURIComponent(String(one))}`,
    ),
  );
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

async function readJson(response: IncomingMessage, signal: AbortSignal): Promise<unknown> {
  const status = response.statusCode ?? 0;
  if (status < 200 || status > 299) throw await readProblem(response, signal);
  const text = await readText(response, signal);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AgentError('INTERNAL', 'Cannot understand the agent: expected JSON', { cause });
  }
}

async function readProblem(response: IncomingMessage, signal: AbortSignal): Promise<AgentError> {
  const text = await readText(response, signal);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined; // parseProblem says what is wrong
  }
  return parseProblem(json, response.statusCode ?? 0);
}

async function readText(response: IncomingMessage, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > ANSWER_LIMIT_BYTES)
        throw new AgentError('LIMIT', `Cannot read the agent's answer: expected at most ${ANSWER_LIMIT_BYTES} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AgentError) throw error;
    throw new AgentError('UNAVAILABLE', "Cannot read the agent's answer to its end: expected the connection to last", {
      cause: error,
    });
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A stream that ends for an error says so in its last line. */
function problemIn(last: unknown): AgentError | undefined {
  const isProblem = typeof last === 'object' && last !== null && 'problem' in last;
  return isProblem ? parseProblem(last.problem, 0) : undefined;
}

async function translate(error: unknown, target: ClientTarget, signal: AbortSignal): Promise<unknown> {
  const { translateFailure } = await import('./target.ts');
  return translateFailure(error, target, signal);
}
