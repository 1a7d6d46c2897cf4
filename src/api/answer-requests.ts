import type { IncomingMessage, RequestListener } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { errorCodeOf, errorText } from '../domain/errors.ts';
import type { Log } from '../loop/log.ts';
import type { Caller } from './caller.ts';
import type { CallerOf } from './caller-of.ts';
import type { Api } from './make-api.ts';
import { problemResponse } from './problem-response.ts';
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

/** Answers each request for its caller. Whoever is not to be answered is told why, and nothing of the request is looked at. */
export function answerRequests(api: Api, callerOf: CallerOf, log: Log): RequestListener {
  const answer = (request: Request, { incoming }: { readonly incoming: IncomingMessage }) => {
    let caller: Caller;
    try {
      caller = callerOf(incoming);
    } catch (error) {
      return refuse(error, incoming, log);
    }
    return api.fetch(request, caller);
  };
  return getRequestListener((request, env) =>
    answer(request, env as { readonly incoming: IncomingMessage }),
  ) as RequestListener;
}

/** Notes a refusal, once in a while for each address, and makes its answer. Only too many requests leave the connection as it is. */
function refuse(error: unknown, { socket }: IncomingMessage, log: Log): Response {
  const response = problemResponse(error, 'none');
  log.warn(
    { client: socket.remoteAddress ?? 'socket', code: errorCodeOf(error), reason: errorText(error) },
    'client refused',
  );
  if (response.status !== 429) response.headers.set('connection', 'close');
  return response;
}
