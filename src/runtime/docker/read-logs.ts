import { AgentError } from '../../domain/errors.ts';
import type { Clock } from '../../loop/clock.ts';
import type { LogLine, LogOptions } from '../port.ts';
import { demuxLogs } from './demux-logs.ts';
import type { Engine } from './engine.ts';

/** An instance's container as it is now. */
export interface LocatedContainer {
  readonly id: string;
  readonly running: boolean;
}

/** Where the lines come from. */
export interface LogSource {
  readonly engine: Engine;
  readonly clock: Clock;
  /** The instance's container as it is now, if it has one. */
  readonly locate: (signal: AbortSignal) => Promise<LocatedContainer | undefined>;
}

/** Docker ends a stream with the container's run; so often is looked whether the next run has begun. */
const nextRunMs = 500;

/** A container's lines. Following goes on through restarts, until the container is gone or the signal aborts. */
export async function* readLogs(
  source: LogSource,
  name: string,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<LogLine, void> {
  const found = await source.locate(signal);
  if (!found) throw new AgentError('NOT_FOUND', `Cannot read logs of "${name}": expected a container of this cluster`);
  let container = found;
  let query: Record<string, string | number> = { tail: options.tail ?? 'all' };
  for (;;) {
    let last: string | undefined;
    for await (const line of readStream(source.engine, container.id, { ...query, follow: options.follow }, signal)) {
      if (line.at !== '' && (last === undefined || isLater(line.at, last))) last = line.at;
      yield line;
    }
    if (!options.follow) return;
    const next = await nextRun(source, signal);
    if (!next) return;
    if (next.id !== container.id) query = {};
    else if (last !== undefined) query = { since: justAfter(last) };
    else query = { ...query, ...(query['since'] === undefined && { tail: 0 }) };
    container = next;
  }
}

async function* readStream(
  engine: Engine,
  id: string,
  query: Readonly<Record<string, string | number | boolean>>,
  signal: AbortSignal,
): AsyncGenerator<LogLine, void> {
  const path = `/containers/${encodeURIComponent(id)}/logs`;
  const all = { stdout: true, stderr: true, timestamps: true, ...query };
  const reply = await engine.stream({ method: 'GET', path, query: all }, signal);
  if ('chunks' in reply) yield* demuxLogs(reply.chunks);
  else if (reply.status !== 404) throw new AgentError('INTERNAL', `Cannot read logs: ${reply.message}`);
}

async function nextRun({ clock, locate }: LogSource, signal: AbortSignal): Promise<LocatedContainer | undefined> {
  for (;;) {
    await clock.sleep(nextRunMs, signal);
    signal.throwIfAborted();
    const container = await locate(signal);
    if (!container || container.running) return container;
  }
}

/**
 * Lines of the two streams may come in another order than their times: what follows begins after the latest of them. Docker leaves
 * trailing zeros of the fraction away, so that times differ in length.
 */
function isLater(one: string, other: string): boolean {
  return sortable(one) > sortable(other);
}

function sortable(at: string): string {
  const [seconds = '', fraction = ''] = at.replace(/Z$/, '').split('.');
  return `${seconds}.${fraction.padEnd(9, '0')}`;
}

/** As Docker's `since` wants it: seconds and nanoseconds. */
function justAfter(at: string): string {
  const ns = Temporal.Instant.from(at).epochNanoseconds + 1n;
  return `${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, '0')}`;
}
