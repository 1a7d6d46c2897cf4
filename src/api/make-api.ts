import { randomBytes } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { AgentError, errorCodeOf } from '../domain/errors.ts';
import { makeInstanceKey, parseSlot, parseWorkloadName } from '../domain/ids.ts';
import type { NodeStateAnswer, VersionAnswer } from '../wire/answers.ts';
import { parseWatchRequest } from '../wire/schemas.ts';
import type { ApiDeps } from './api-deps.ts';
import { apply } from './apply.ts';
import { applyAll } from './apply-all.ts';
import {
  explain,
  getCluster,
  getInstances,
  getNode,
  getNodes,
  getWorkload,
  getWorkloads,
  order,
} from './cluster-routes.ts';
import { confirmRestore, getDoubts } from './confirm-restore.ts';
import { lineStream } from './line-stream.ts';
import { Nudge } from './nudge.ts';
import { OpenRequests, type RequestScope } from './open-requests.ts';
import { makeProblem, problemResponse } from './problem-response.ts';
import { readBody } from './read-body.ts';
import { openLogs } from './read-logs.ts';
import { getStatus, releaseHold } from './status.ts';
import { watchWorkloads } from './watch-workloads.ts';

/** The API as a function of requests: the same for the unix socket and, later, for TCP. */
export interface Api {
  readonly fetch: (request: Request) => Response | Promise<Response>;
  /** Requests being answered. */
  readonly open: number;
  /** Ends every stream and every request under way. */
  close(): void;
}

/** How long an answer that is no stream may take. */
const ANSWER_MS = 20_000;

type Handler = (context: Context, signal: AbortSignal) => Promise<unknown>;
type StreamHandler = (context: Context, signal: AbortSignal) => Promise<AsyncIterable<unknown>>;

/** Where routes are added, and how each kind of handler is wrapped. */
interface Routes {
  readonly app: Hono;
  readonly deps: ApiDeps;
  readonly answer: (handle: Handler) => (context: Context) => Promise<Response>;
  /** Refused while the node hasn't joined. */
  readonly joined: (handle: Handler) => (context: Context) => Promise<Response>;
  readonly stream: (handle: StreamHandler) => (context: Context) => Promise<Response>;
}

/** The routes of version 1. Handlers parse, commit and answer; loops do the rest. */
export function makeApi(deps: ApiDeps): Api {
  const requests = new OpenRequests(deps.clock);
  const app = new Hono();
  const answer = (handle: Handler) => (context: Context) =>
    respond(deps, context, requests.begin(context.req.raw.signal, ANSWER_MS), handle);
  const stream = (handle: StreamHandler) => (context: Context) =>
    respondStream(deps, context, requests.begin(context.req.raw.signal, undefined), handle);
  const joined = (handle: Handler) =>
    answer(async (context, signal) => {
      refuseUnjoined(deps);
      return handle(context, signal);
    });
  const routes: Routes = { app, deps, answer, joined, stream };
  addReads(routes);
  addChanges(routes);
  addStreams(routes);
  app.notFound((context) => refuseUnknown(context));
  return {
    fetch: (request) => app.fetch(request),
    get open() {
      return requests.size;
    },
    close: () => requests.close(),
  };
}

const nameOf = (context: Context) => parseWorkloadName(context.req.param('name') ?? '');

function addReads({ app, deps, answer, joined }: Routes): void {
  const version: VersionAnswer = { version: deps.version, api: 'v1' };
  const reads: Readonly<Record<string, Handler>> = {
    '/v1/cluster': async (_context, signal) => getCluster(deps, signal),
    '/v1/nodes': async (_context, signal) => getNodes(deps, signal),
    '/v1/nodes/:id': async (context, signal) => getNode(deps, context.req.param('id') ?? '', signal),
    '/v1/workloads': async (_context, signal) => getWorkloads(deps, signal),
    '/v1/workloads/:name': async (context, signal) => getWorkload(deps, nameOf(context), signal),
    '/v1/workloads/:name/explain': async (context, signal) => explain(deps, nameOf(context), signal),
    '/v1/instances': async ({ req }, signal) =>
      getInstances(deps, { workload: req.query('workload'), name: req.query('name') }, signal),
  };
  app.get(
    '/v1/version',
    answer(async () => version),
  );
  app.get(
    '/v1/node',
    answer(async () => nodeState(deps)),
  );
  app.get(
    '/v1/status',
    answer(async (_context, signal) => getStatus(deps, nodeState(deps), signal)),
  );
  app.get(
    '/v1/cluster/doubts',
    answer(async (_context, signal) => getDoubts(deps, signal)),
  );
  for (const [path, handle] of Object.entries(reads)) app.get(path, joined(handle));
}

function addChanges({ app, deps, answer, joined }: Routes): void {
  app.put(
    '/v1/workloads/:name',
    joined(async (context, signal) => apply(deps, nameOf(context), await readBody(context.req.raw), signal)),
  );
  // Not for joined nodes alone: whoever doubts the store counts as not joined.
  app.post(
    '/v1/cluster/confirm-restore',
    answer(async (_context, signal) => confirmRestore(deps, signal)),
  );
  app.post(
    '/v1/cluster/release-hold',
    joined(async (_context, signal) => releaseHold(deps, signal)),
  );
  app.post(
    '/v1/apply',
    joined(async (context, signal) => applyAll(deps, await readBody(context.req.raw), requestIdOf(context), signal)),
  );
  app.post(
    '/v1/workloads/:name/start',
    joined(async (context, signal) => order(deps, nameOf(context), 'run', signal)),
  );
  app.post(
    '/v1/workloads/:name/stop',
    joined(async (context, signal) => order(deps, nameOf(context), 'stop', signal)),
  );
  app.delete(
    '/v1/workloads/:name',
    joined(async (context, signal) => order(deps, nameOf(context), 'remove', signal)),
  );
}

function addStreams({ app, deps, stream }: Routes): void {
  app.get(
    '/v1/node/watch',
    stream(async (_context, signal) => watchNode(deps, signal)),
  );
  app.get(
    '/v1/workloads/:name/watch',
    stream(async (context, signal) => {
      refuseUnjoined(deps);
      return watchWorkloads(deps.store, [nameOf(context)], signal);
    }),
  );
  app.post(
    '/v1/watch',
    stream(async (context, signal) => {
      refuseUnjoined(deps);
      const { names } = parseWatchRequest(await readBody(context.req.raw));
      return watchWorkloads(deps.store, [...new Set(names)], signal);
    }),
  );
  app.get(
    '/v1/instances/:workload/:slot/logs',
    stream(async ({ req }, signal) => {
      const key = makeInstanceKey(parseWorkloadName(req.param('workload') ?? ''), parseSlot(req.param('slot') ?? ''));
      return openLogs(deps, key, parseLogOptions(req.query('tail'), req.query('follow')), signal);
    }),
  );
}

async function respond(deps: ApiDeps, context: Context, scope: RequestScope, handle: Handler): Promise<Response> {
  const requestId = requestIdOf(context);
  try {
    const value = await handle(context, scope.signal);
    return new Response(JSON.stringify(value), {
      headers: { 'content-type': 'application/json', 'x-request-id': requestId },
    });
  } catch (error) {
    return refuse(deps, context, scope.signal.aborted ? scope.signal.reason : error, requestId);
  } finally {
    scope.end();
  }
}

async function respondStream(
  deps: ApiDeps,
  context: Context,
  scope: RequestScope,
  handle: StreamHandler,
): Promise<Response> {
  const requestId = requestIdOf(context);
  try {
    return lineStream(await handle(context, scope.signal), scope, requestId);
  } catch (error) {
    scope.end();
    return refuse(deps, context, error, requestId);
  }
}

function refuse(deps: ApiDeps, context: Context, error: unknown, requestId: string): Response {
  const fields = { requestId, method: context.req.method, path: context.req.path, code: errorCodeOf(error) };
  if (fields.code === 'INTERNAL') deps.log.error({ ...fields, err: error }, 'request failed');
  else deps.log.debug({ ...fields, err: error }, 'request refused');
  return problemResponse(makeProblem(error, requestId));
}

function refuseUnknown(context: Context): Response {
  const { method, path } = context.req;
  const error = new AgentError('NOT_FOUND', `Cannot ${method} "${path.slice(0, 200)}": expected a path of API v1`);
  return problemResponse(makeProblem(error, requestIdOf(context)));
}

/** The client's own ID when it's harmless in a log, else a new one. */
function requestIdOf(context: Context): string {
  const given = context.req.header('x-request-id');
  return given !== undefined && /^[A-Za-z0-9._-]{1,64}$/.test(given) ? given : randomBytes(6).toString('hex');
}

function refuseUnjoined({ node }: ApiDeps): void {
  const { joined, text } = node.state();
  if (!joined)
    throw new AgentError('UNAVAILABLE', `Cannot answer for the cluster: this node has not joined it: ${text}`);
}

function nodeState({ node, cluster, version }: ApiDeps): NodeStateAnswer {
  const { joined, leader, text } = node.state();
  return { node: node.id, hostname: node.hostname, cluster, version, joined, leader, status: text };
}

async function* watchNode(deps: ApiDeps, signal: AbortSignal): AsyncGenerator<NodeStateAnswer> {
  const nudge = new Nudge();
  const cancel = deps.node.onChange(() => nudge.nudge());
  try {
    for (let told = ''; ; await nudge.wait(signal)) {
      signal.throwIfAborted();
      const state = nodeState(deps);
      if (JSON.stringify(state) !== told) yield state;
      told = JSON.stringify(state);
    }
  } finally {
    cancel();
  }
}

function parseLogOptions(tail: string | undefined, follow: string | undefined) {
  if (tail !== undefined && !/^\d{1,9}$/.test(tail)) {
    throw new AgentError('INVALID_INPUT', `Cannot use tail "${tail.slice(0, 50)}": expected a number of lines`);
  }
  if (follow !== undefined && !['true', 'false'].includes(follow)) {
    throw new AgentError('INVALID_INPUT', `Cannot use follow "${follow.slice(0, 50)}": expected "true" or "false"`);
  }
  return { follow: follow === 'true', ...(tail === undefined ? {} : { tail: Number(tail) }) };
}
