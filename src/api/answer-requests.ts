import type { IncomingMessage, RequestListener } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { getPath } from 'hono/utils/url';
import { errorCodeOf, errorText } from '../domain/errors.ts';
import type { Clock } from '../loop/clock.ts';
import type { Log } from '../loop/log.ts';
import type { Caller } from './caller.ts';
import type { CallerOf } from './caller-of.ts';
import { errorResponse } from './error-response.ts';
import type { Api } from './make-api.ts';
import { refuseTooMany } from './refusal.ts';
import type { RequestRate } from './request-rate.ts';

/** What an agent asks, it asks for many: its requests count for a tenth. */
const NODE_WORTH = 0.1;

/** Finds the caller, and throws where they ask too often. The same for requests and for connections that are upgraded. */
export function limitCallers(callerOf: CallerOf, rate: RequestRate, perSecond: number): CallerOf {
  return (incoming) => {
    const caller = callerOf(incoming);
    const client = caller.via === 'socket' ? incoming.socket : `${caller.role}/${caller.name}`;
    const waitS = rate.take(client, caller.role === 'node' ? NODE_WORTH : 1);
    if (waitS > 0) throw refuseTooMany(`at most ${perSecond} a second`, waitS);
    return caller;
  };
}

export interface AnswerOptions {
  readonly log: Log;
  readonly clock: Pick<Clock, 'after'>;
}

/** Answers each request for its caller. Whoever is not to be answered is told why, and nothing of the request is looked at but its path. */
export function answerRequests(api: Api, callerOf: CallerOf, options: AnswerOptions): RequestListener {
  const answer = (request: Request, { incoming }: { readonly incoming: IncomingMessage }) => {
    let caller: Caller;
    try {
      caller = callerOf(incoming);
    } catch (error) {
      const response = errorResponse(api.version, error, { path: getPath(request), requestId: 'none' });
      return refuse(response, error, { ...options, incoming });
    }
    return api.fetch(request, caller);
  };
  return getRequestListener((request, env) =>
    answer(request, env as { readonly incoming: IncomingMessage }),
  ) as RequestListener;
}

/** Of the body of whoever is refused so much is taken, and for so long: who still sends hears no answer. None of it is looked at. */
const DISCARDED_BYTES = 1024 * 1024;
const DISCARD_MS = 1_000;

/** Notes a refusal, once in a while for each address, and answers. Only too many requests leave the connection as it is. */
async function refuse(
  response: Response,
  error: unknown,
  { incoming, log, clock }: AnswerOptions & { readonly incoming: IncomingMessage },
): Promise<Response> {
  const { socket } = incoming;
  const fields = { client: socket.remoteAddress ?? 'socket', code: errorCodeOf(error), reason: errorText(error) };
  log.warn(fields, 'client refused');
  if (response.status === 429) return response;
  await discardBody(incoming, clock);
  response.headers.set('connection', 'close');
  return response;
}

async function discardBody(incoming: IncomingMessage, clock: Pick<Clock, 'after'>): Promise<void> {
  if (incoming.readableEnded || incoming.complete) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const late = clock.after(DISCARD_MS, resolve);
  let bytes = 0;
  const onData = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > DISCARDED_BYTES) resolve();
  };
  incoming.on('data', onData).once('end', resolve).once('close', resolve);
  await promise;
  late();
  incoming.off('data', onData).off('end', resolve).off('close', resolve);
}
