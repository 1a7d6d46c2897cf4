import { AgentError } from '../../domain/errors.ts';
import { makeInstanceKey, parseSlot, parseWorkloadName } from '../../domain/ids.ts';
import { parseDurationMs } from '../../domain/quantity.ts';
import type { LogOptions } from '../../runtime/port.ts';
import { readLocal } from '../logs-source.ts';
import { streamLogs } from '../logs-stream.ts';
import { type LogTarget, openLogs } from '../read-logs.ts';
import type { QueryParameter, Route, RouteRequest } from '../route.ts';

const query: Readonly<Record<string, QueryParameter>> = {
  tail: { summary: 'only so many last lines of each instance', example: '100' },
  since: { summary: 'only lines of this time (ISO 8601) and later, or of the last so long', example: '10m' },
  follow: { summary: 'goes on with lines as they come, also when an instance moves', example: 'true' },
};

/** What instances wrote, through any node. */
export const logRoutes: readonly Route[] = [
  {
    kind: 'stream',
    method: 'GET',
    path: '/v1/instances/:workload/:slot/logs',
    role: 'viewer',
    summary: "An instance's lines, from the node that runs it or ran it last.",
    query,
    unjoined: true,
    handle: async (request) => answer(request, { key: keyOf(request) }),
  },
  {
    kind: 'stream',
    method: 'GET',
    path: '/v1/workloads/:name/logs',
    role: 'viewer',
    summary: 'The lines of all instances of a workload, merged by time.',
    query,
    handle: async (request) => answer(request, { workload: parseWorkloadName(request.param('name')) }),
  },
  {
    kind: 'stream',
    method: 'GET',
    path: '/v1/node/logs/:workload/:slot',
    role: 'node',
    summary: "An instance's lines, from the node that answers and no other.",
    query,
    unjoined: true,
    handle: async (request) => {
      const { deps, signal } = request;
      const key = keyOf(request);
      const options = parseLogOptions(request);
      return streamLogs(async (during) => readLocal(deps, key, options, during), deps.clock, signal);
    },
  },
];

/** Opened before the answer begins: what can't be read at all is refused with a status of its own. */
async function answer(request: RouteRequest, target: LogTarget): Promise<AsyncIterable<unknown>> {
  const { deps, caller, signal } = request;
  const options = parseLogOptions(request);
  const lines = await openLogs(deps, { target, options, caller }, signal);
  return streamLogs(async () => lines, deps.clock, signal);
}

function keyOf(request: RouteRequest) {
  return makeInstanceKey(parseWorkloadName(request.param('workload')), parseSlot(request.param('slot')));
}

function parseLogOptions(request: RouteRequest): LogOptions {
  const [tail, since, follow] = [request.query('tail'), request.query('since'), request.query('follow')];
  if (tail !== undefined && !/^\d{1,9}$/.test(tail)) {
    throw new AgentError('INVALID_INPUT', `Cannot use tail "${tail.slice(0, 50)}": expected a number of lines`);
  }
  if (follow !== undefined && !['true', 'false'].includes(follow)) {
    throw new AgentError('INVALID_INPUT', `Cannot use follow "${follow.slice(0, 50)}": expected "true" or "false"`);
  }
  return {
    follow: follow === 'true',
    ...(tail === undefined ? {} : { tail: Number(tail) }),
    ...(since === undefined ? {} : { since: parseSince(since, request.deps.clock.wallTime().getTime()) }),
  };
}

/** A time in UTC, from one with any offset or from a duration before now. */
function parseSince(text: string, nowMs: number): string {
  try {
    return Temporal.Instant.from(text).toString();
  } catch {
    // no time: a duration, or nothing
  }
  try {
    return Temporal.Instant.fromEpochMilliseconds(nowMs - parseDurationMs(text)).toString();
  } catch (cause) {
    const expected = 'expected a time as "2026-01-31T12:00:00Z" or a duration as "10m"';
    throw new AgentError('INVALID_INPUT', `Cannot use since "${text.slice(0, 50)}": ${expected}`, { cause });
  }
}
