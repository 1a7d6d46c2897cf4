import { randomBytes } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { AgentError, errorCodeOf } from '../domain/errors.ts';
import { makeAllowedMethods } from './allowed-methods.ts';
import type { ApiDeps } from './api-deps.ts';
import type { BodyBudgets, BodyRoom } from './body-budget.ts';
import { type Caller, socketCaller } from './caller.ts';
import { errorResponse } from './error-response.ts';
import { openUpgrade, type Upgrades } from './exec-upgrade.ts';
import { refuseFilters } from './filter-query.ts';
import { isFleetPath } from './fleet/answers.ts';
import { RecentStops } from './fleet/recent-stops.ts';
import { makeHeavyWork } from './heavy-work.ts';
import { lineStream } from './line-stream.ts';
import { measured } from './measured.ts';
import { refuseUnjoined } from './node-state.ts';
import { OpenRequests, type RequestScope } from './open-requests.ts';
import { makeBodyBudgets, readBody } from './read-body.ts';
import { Refusal } from './refusal.ts';
import { refuseForeignPage } from './refuse-foreign-page.ts';
import { refuseRole } from './refuse-role.ts';
import { Reply, type Route, type RouteRequest } from './route.ts';
import { routes } from './routes.ts';

/** The API as a function of requests: the same for the unix socket and for TCP. */
export interface Api extends Upgrades {
  /** The agent's: errors of fleet's API name it. */
  readonly version: string;
  /** @param caller whoever the listener has found to be asking */
  readonly fetch: (request: Request, caller?: Caller) => Response | Promise<Response>;
  /** Requests being answered. */
  readonly open: number;
  /** Ends every stream and every request under way. */
  close(): void;
}

/** What a listener hands to the router beside the request. */
interface Handed {
  readonly Bindings: { readonly caller: Caller };
}

/** How long an answer that is no stream may take. */
const ANSWER_MS = 20_000;

/** As what paths and methods are counted that the API doesn't have. */
const unknownRoute = { method: 'other', route: 'unknown' } as const;

/** The routes of version 1. Handlers parse, commit and answer; loops do the rest. */
export function makeApi(given: ApiDeps): Api {
  const deps: ApiDeps = { recentStops: new RecentStops(given.clock), heavy: makeHeavyWork(), ...given };
  const requests = new OpenRequests(deps.clock);
  const bodies = deps.bodies ?? makeBodyBudgets();
  const app = new Hono<Handed>();
  deps.metrics?.watchStreams(() => requests.streams);
  for (const route of routes) {
    const { method, path } = route;
    app.on(method, path, async (context) =>
      measured(deps, { method, route: path }, async () => respond({ deps, requests, bodies }, route, context)),
    );
  }
  const methodsOf = makeAllowedMethods(routes);
  app.notFound(async (context) =>
    measured(deps, unknownRoute, async () => refuseUnknown(deps, context, methodsOf(context.req.path))),
  );
  return {
    version: deps.version,
    fetch: (request, caller = socketCaller) => app.fetch(request, { caller }),
    upgrade: async (upgrade, caller) => openUpgrade(deps, requests, upgrade, caller),
    get open() {
      return requests.size;
    },
    close: () => requests.close(),
  };
}

/** What all requests share. */
interface Shared {
  readonly deps: ApiDeps;
  readonly requests: OpenRequests;
  readonly bodies: BodyBudgets;
}

async function respond({ deps, requests, bodies }: Shared, route: Route, context: Context<Handed>): Promise<Response> {
  const { caller } = context.env;
  const room = bodies[caller.via].open(`${caller.role}/${caller.name}`);
  const limitMs = { answer: ANSWER_MS, stream: undefined, raw: 'limitMs' in route ? route.limitMs : undefined };
  const scope = requests.begin(context.req.raw.signal, limitMs[route.kind], () => room.free());
  const request = makeRequest(deps, context, { room, signal: scope.signal });
  let isOpen = false;
  try {
    refuseRole(route, request.caller);
    refuseForeignPage(route, request.caller, { origin: request.header('origin'), host: request.header('host') });
    refuseFilters(route, request);
    if (route.unjoined !== true) refuseUnjoined(deps);
    const response = await call(route, request, scope);
    isOpen = route.kind === 'stream';
    if (context.req.raw.method === 'HEAD') await response.body?.cancel(); // nobody will read it
    return response;
  } catch (error) {
    return refuse(request, context, scope.signal.aborted ? scope.signal.reason : error);
  } finally {
    if (!isOpen) scope.end();
  }
}

async function call(route: Route, request: RouteRequest, scope: RequestScope): Promise<Response> {
  if (route.kind === 'stream')
    return lineStream(await route.handle(request), scope, request.requestId, route.contentType?.(request));
  if (route.kind === 'raw') return route.handle(request);
  const value = await route.handle(request);
  const reply = value instanceof Reply ? value : new Reply(value);
  const headers = { 'content-type': 'application/json', 'x-request-id': request.requestId, ...reply.headers };
  const body = reply.value === undefined ? null : JSON.stringify(reply.value);
  return new Response(body, { status: reply.status, headers });
}

function makeRequest(
  deps: ApiDeps,
  context: Context<Handed>,
  { room, signal }: { readonly room: BodyRoom; readonly signal: AbortSignal },
): RouteRequest {
  const { req } = context;
  return {
    deps,
    caller: context.env.caller,
    requestId: requestIdOf(context),
    signal,
    param: (name) => req.param(name) ?? '',
    query: (name) => req.query(name),
    queries: (name) => req.queries(name) ?? [],
    header: (name) => req.header(name),
    body: async (type) => readBody(req.raw, room, type),
  };
}

function refuse({ deps, caller, requestId }: RouteRequest, { req }: Context<Handed>, error: unknown): Response {
  const code = errorCodeOf(error);
  const fields = { requestId, method: req.method, path: req.path, code, caller: caller.name };
  if (code === 'INTERNAL') deps.log.error({ ...fields, err: error }, 'request failed');
  else if (code === 'FORBIDDEN') deps.log.warn({ ...fields, err: error }, 'request refused');
  else deps.log.debug({ ...fields, err: error }, 'request refused');
  return errorResponse(deps.version, error, { path: req.path, requestId });
}

function refuseUnknown(deps: ApiDeps, context: Context<Handed>, allowed: readonly string[]): Response {
  const { method, path } = context.req;
  const requestId = requestIdOf(context);
  const shown = `Cannot ${method} "${path.slice(0, 200)}"`;
  const error =
    allowed.length === 0
      ? new AgentError('NOT_FOUND', `${shown}: expected a path of API v1`)
      : new Refusal(405, `${shown}: expected ${allowed.join(', ')}`, { allow: allowed.join(', ') });
  try {
    if (isFleetPath(path)) refuseUnjoined(deps); // fleet says so of every path
  } catch (unjoined) {
    return errorResponse(deps.version, unjoined, { path, requestId });
  }
  return errorResponse(deps.version, error, { path, requestId });
}

/** The client's own ID when it's harmless in a log, else a new one. */
function requestIdOf(context: Context<Handed>): string {
  const given = context.req.header('x-request-id');
  return given !== undefined && /^[A-Za-z0-9._-]{1,64}$/.test(given) ? given : randomBytes(6).toString('hex');
}
