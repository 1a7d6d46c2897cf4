import { AgentError } from '../../domain/errors.ts';
import type { Clock } from '../../loop/clock.ts';
import type { Engine } from './engine.ts';
import { parseImageReference, wantedVersion } from './image-reference.ts';
import { PullProgress } from './pull-progress.ts';
import { readJsonLines } from './read-json-lines.ts';
import { type RegistryAuthOptions, readRegistryAuth } from './registry-auth.ts';

/** What a pull needs. */
export interface PullOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly auth: RegistryAuthOptions;
  /** A pull that reports nothing for this long is given up. */
  readonly stallMs: number;
}

/** At most so often is progress told. */
const tellEachMs = 200;

/** Fetches an image from its registry. Rejects with what the registry said: `NOT_FOUND`, `FORBIDDEN` or `INTERNAL`. */
export async function pullImage(
  image: string,
  options: PullOptions,
  onProgress: (detail: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { engine, clock, auth, stallMs } = options;
  const reference = parseImageReference(image);
  const registryAuth = await readRegistryAuth(reference.registry, auth, signal);
  const stalled = new AbortController();
  let cancel = () => {};
  const alive = () => {
    cancel();
    cancel = clock.after(stallMs, () => stalled.abort(new AgentError('UNAVAILABLE', stallMessage(image, stallMs))));
  };
  alive();
  const onAbort = () => stalled.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    const query = { fromImage: reference.repository, tag: wantedVersion(reference) };
    const call = { method: 'POST', path: '/images/create', query, limitMs: stallMs } as const;
    const reply = await engine.stream({ ...call, ...(registryAuth && { registryAuth }) }, stalled.signal);
    if (!('chunks' in reply)) throw pullFailure(image, reply.message, reply.status);
    await follow(image, readJsonLines(reply.chunks), alive, clock, onProgress);
  } finally {
    cancel();
    signal.removeEventListener('abort', onAbort);
  }
}

/** A message with `error` is the pull's failure, although the reply's status was 200. */
async function follow(
  image: string,
  messages: AsyncIterable<Record<string, unknown>>,
  alive: () => void,
  clock: Clock,
  onProgress: (detail: string) => void,
): Promise<void> {
  const progress = new PullProgress();
  let toldAtMs = -Infinity;
  for await (const message of messages) {
    alive();
    if (typeof message['error'] === 'string') throw pullFailure(image, message['error'], 0);
    if (!progress.add(message) || clock.monotonicMs() - toldAtMs < tellEachMs) continue;
    toldAtMs = clock.monotonicMs();
    onProgress(progress.detail ?? '');
  }
}

function pullFailure(image: string, said: string, status: number): AgentError {
  const code = status === 404 ? 'NOT_FOUND' : status === 401 || status === 403 ? 'FORBIDDEN' : 'INTERNAL';
  return new AgentError(code, `Cannot pull image "${image}": ${said}`);
}

function stallMessage(image: string, stallMs: number): string {
  return `Cannot pull image "${image}": expected progress within ${Math.round(stallMs / 1000)} s`;
}
