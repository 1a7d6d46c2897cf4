import { type EventSink, followEvents } from '../cluster/events-follow.ts';
import { readEventLabels } from '../cluster/events-labels.ts';
import type { ClusterEvent } from '../domain/event.ts';
import { ChildAbort } from '../loop/child-abort.ts';
import type { ApiDeps } from './api-deps.ts';
import { type EventQuery, parseEventQuery } from './events-query.ts';
import { EventQueue } from './events-queue.ts';
import { PreparedLines } from './line-stream.ts';
import { makeProblem } from './problem-response.ts';

/** Nothing to tell for so long, and a sign of life is sent: proxies and clients give up on a silent connection. */
const SIGN_OF_LIFE_MS = 15_000;

/** How events travel. */
interface Format {
  readonly event: (event: ClusterEvent) => string;
  readonly signOfLife: string;
  /** Undefined: as the last line of any stream. */
  readonly problem?: (error: unknown) => string;
}

const lines: Format = { event: (event) => `${JSON.stringify(event)}\n`, signOfLife: '\n' };

function eventStream(requestId: string): Format {
  return {
    event: (event) => `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`,
    signOfLife: ': still here\n\n',
    problem: (error) => `event: problem\ndata: ${JSON.stringify(makeProblem(error, requestId))}\n\n`,
  };
}

/** `GET /v1/events`: what the store's history tells, then what happens. */
export async function openEvents(
  deps: ApiDeps,
  query: EventQuery,
  { requestId, signal }: { readonly requestId: string; readonly signal: AbortSignal },
): Promise<AsyncIterable<PreparedLines>> {
  const wish = parseEventQuery(query, deps.clock.wallTime());
  const format = query.isEventStream ? eventStream(requestId) : lines;
  const labels = await readEventLabels(deps.store, query.filter?.labels ?? [], signal);
  const wants = (event: ClusterEvent) =>
    wish.wants(event) && (labels === undefined || event.type === 'events.lost' || labels.has(event));
  const queue = new EventQueue(deps.clock, (event) => (wants(event) ? format.event(event) : undefined));
  const sink: EventSink = {
    see: (changes) => labels?.see(changes),
    take: (events, isHistory) => queue.take(events, isHistory),
    untilRoom: async (during) => queue.untilRoom(during),
  };
  const follow = async (during: AbortSignal) => followEvents(deps.store, wish, sink, during);
  return stream({ deps, queue, format, follow }, signal);
}

interface Streaming {
  readonly deps: ApiDeps;
  readonly queue: EventQueue;
  readonly format: Format;
  readonly follow: (signal: AbortSignal) => Promise<void>;
}

async function* stream({ deps, queue, format, follow }: Streaming, signal: AbortSignal): AsyncGenerator<PreparedLines> {
  using stop = new ChildAbort(signal);
  const following = follow(stop.signal).then(
    () => queue.end(),
    (error: unknown) => queue.end({ error }),
  );
  try {
    yield new PreparedLines(format.signOfLife); // so that the answer begins
    while (!queue.isOver) {
      const text = queue.read();
      if (text !== undefined) yield new PreparedLines(text);
      else if (!(await isFilledInTime(deps, queue, stop.signal))) yield new PreparedLines(format.signOfLife);
      signal.throwIfAborted();
    }
  } catch (error) {
    if (signal.aborted || format.problem === undefined) throw error;
    yield new PreparedLines(format.problem(error));
  } finally {
    stop.abort();
    await following;
  }
}

async function isFilledInTime({ clock }: ApiDeps, queue: EventQueue, signal: AbortSignal): Promise<boolean> {
  using wait = new ChildAbort(signal);
  let isLate = false;
  const cancel = clock.after(SIGN_OF_LIFE_MS, () => {
    isLate = true;
    wait.abort();
  });
  await queue.untilFilled(wait.signal);
  cancel();
  return !isLate || signal.aborted;
}
