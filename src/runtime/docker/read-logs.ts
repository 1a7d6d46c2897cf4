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
): AsyncGenerator<readonly LogLine[], void> {
  const found = await source.locate(signal);
  if (!found) throw new AgentError('NOT_FOUND', `Cannot read logs of "${name}": expected a container of this cluster`);
  let container = found;
  const since = options.since === undefined ? {} : { since: dockerTime(options.since) };
  let query: Record<string, string | number> = { tail: options.tail ?? 'all', ...since };
  for (;;) {
    let last = '';
    for await (const lines of readStream(source.engine, container.id, { ...query, follow: options.follow }, signal)) {
      last = latest(lines, last);
      yield lines;
    }
    if (!options.follow) return;
    const next = await nextRun(source, signal);
    if (!next) return;
    if (next.id !== container.id) query = {};
    else if (last !== '') query = { since: dockerTime(last, 1n) };
    else query = { ...query, ...(query['since'] === undefined && { tail: 0 }) };
    container = next;
  }
}

async function* readStream(
  engine: Engine,
  id: string,
  query: Readonly<Record<string, string | number | boolean>>,
  signal: AbortSignal,
): AsyncGenerator<readonly LogLine[], void> {
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

/** Lines of the two streams may come in another order than their times: what follows begins after the latest of them. */
function latest(lines: readonly LogLine[], before: string): string {
  let last = before;
  for (const { at } of lines) if (at > last) last = at;
  return last;
}

/** A time as Docker's `since` wants it: seconds and nanoseconds. */
function dockerTime(at: string, plusNs = 0n): string {
  const ns = Temporal.Instant.from(at).epochNanoseconds + plusNs;
  return `${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, '0')}`;
}
