import { AgentError } from '../domain/errors.ts';
import type { InstanceKey, NodeId } from '../domain/ids.ts';
import { splitInstanceKey } from '../domain/ids.ts';
import { displayName } from '../domain/names.ts';
import { runtimeOf } from '../domain/runtime-of.ts';
import type { LogOptions } from '../runtime/port.ts';
import { parseProblem } from '../wire/problem.ts';
import type { ApiDeps } from './api-deps.ts';
import type { Caller } from './caller.ts';
import { ReadAhead, type ReadAheadSource } from './logs-read-ahead.ts';
import { wholeLines } from './logs-split.ts';
import { encodeLines, encodeNotice, type LogBatch, type LogOrigin, linePattern } from './logs-text.ts';

/** A node that has sent nothing for so long, not even a sign of life, is gone. */
const SILENCE_MS = 20_000;

/** One copy of an instance, and what people call its node. */
export interface LogPlace {
  readonly key: InstanceKey;
  readonly node: NodeId;
  readonly hostname: string;
  /** `node1 (10.0.0.1)` */
  readonly described: string;
  /** Its copies' lines, or those of one that was there last. */
  readonly isThere: boolean;
}

/** The lines of an instance that runs, or ran, on this node. */
export async function* readLocal(
  deps: ApiDeps,
  key: InstanceKey,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<LogBatch> {
  const origin = { instance: displayName(key), node: deps.node.hostname };
  const runtime = deps.runtimes.find(({ kind }) => kind === runtimeOf(key));
  if (runtime === undefined) {
    const message = `Cannot read the logs of "${origin.instance}": this node has no ${runtimeOf(key)}`;
    throw new AgentError('UNAVAILABLE', message);
  }
  const pattern = linePattern(origin);
  if (!options.follow) {
    for await (const lines of runtime.logs(key, options, signal)) yield encodeLines(lines, pattern);
    return;
  }
  const source: ReadAheadSource = {
    open: (during) => runtime.logs(key, options, during),
    encode: (lines) => encodeLines(lines, pattern),
  };
  for await (const item of new ReadAhead(source, deps.clock).read(signal)) {
    yield 'batch' in item ? item.batch : lossNotice(deps, item.lost, origin);
  }
}

function lossNotice(deps: ApiDeps, lost: number, origin: LogOrigin): LogBatch {
  const at = deps.clock.wallTime().toISOString();
  const text = `${lost} lines of ${origin.instance} are left out here: they came faster than they were read`;
  return encodeNotice({ at, kind: 'notice', text, ...origin, lost });
}

/** The lines of an instance that another node runs, or ran, from that node's API. */
export async function* readRemote(
  deps: ApiDeps,
  place: LogPlace,
  options: LogOptions,
  caller: Caller,
  signal: AbortSignal,
): AsyncGenerator<LogBatch> {
  if (deps.peers === undefined) throw elsewhere(place);
  const path = nodePath(place.key, options);
  const response = await deps.peers.fetch(place.node, { method: 'GET', path, onBehalfOf: caller }, signal);
  if (response.status !== 200) throw parseProblem(await response.json().catch(() => undefined), response.status);
  if (response.body === null) return;
  const limits = { clock: deps.clock, silenceMs: SILENCE_MS, who: place.described };
  for await (const batch of wholeLines(response.body, limits, signal)) {
    const { lines, problem } = splitProblem(batch);
    if (lines.length > 0) yield lines;
    if (problem !== undefined) throw parseProblem(problem, 0);
  }
}

/** A stream that ends for an error says so in its last line. */
function splitProblem(batch: LogBatch): { readonly lines: LogBatch; readonly problem?: unknown } {
  const from = batch.lastIndexOf(NEWLINE, -2) + 1;
  const last = batch.subarray(from);
  if (!Buffer.from(last.subarray(0, problemHead.length)).equals(problemHead)) return { lines: batch };
  const { problem } = JSON.parse(Buffer.from(last).toString()) as { problem: unknown };
  return { lines: batch.subarray(0, from), problem };
}

const problemHead = Buffer.from('{"problem":');
const NEWLINE = 0x0a;

function nodePath(key: InstanceKey, { tail, since, follow }: LogOptions): string {
  const { workload, slot } = splitInstanceKey(key);
  const query = new URLSearchParams({ follow: String(follow) });
  if (tail !== undefined) query.set('tail', String(tail));
  if (since !== undefined) query.set('since', since);
  return `/v1/node/logs/${encodeURIComponent(workload)}/${encodeURIComponent(slot)}?${query.toString()}`;
}

/** Where this node can't ask others: who can be asked. */
function elsewhere({ key, described, isThere }: LogPlace): AgentError {
  const name = displayName(key);
  const verb = isThere ? 'runs' : 'ran';
  const message = `Cannot read the logs of "${name}" here: it ${verb} on ${described}: run "muster logs ${name}" there`;
  return new AgentError('CONFLICT', message);
}
