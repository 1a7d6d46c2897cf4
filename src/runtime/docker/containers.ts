import { AgentError, errorCodeOf } from '../../domain/errors.ts';
import type { ClusterId, InstanceKey } from '../../domain/ids.ts';
import type { Engine, EngineReply } from './engine.ts';
import { type Labels, makeLabelFilter } from './labels.ts';
import type { InspectedContainer } from './observe-container.ts';

/** What a listing shows of a container. */
export interface ListedContainer {
  readonly Id: string;
  readonly State: string;
  /** For people, but it's the only place where a listing shows health. */
  readonly Status: string;
  readonly Labels?: Labels | null;
}

/** What is known of one that dockerd can't inspect. */
export function asListed({ Id, State: status, Labels }: ListedContainer): InspectedContainer {
  return { Id, Config: { Labels: Labels ?? {} }, State: { Status: status } };
}

/** How a creation ended; what isn't here is thrown. */
export type CreateResult =
  | { readonly kind: 'created'; readonly id: string }
  | { readonly kind: 'name-taken' }
  | { readonly kind: 'not-found'; readonly message: string };

/** Creating may copy an image's files into a volume, starting may wait for a mount: both are slow on a busy disk. */
const createLimitMs = 120_000;
/** How long after its grace a stop may still take until the daemon is taken for hung. */
const stopMarginMs = 15_000;
/** Docker's own, where a container has none. */
const defaultStopSeconds = 10;
const endLimitMs = 20_000;

/** The Engine API's container calls with Docker's statuses translated: "already so" is success, absence a value. */
export class Containers {
  readonly #engine: Engine;
  readonly #clusterId: ClusterId;

  constructor(engine: Engine, clusterId: ClusterId) {
    this.#engine = engine;
    this.#clusterId = clusterId;
  }

  /** All containers of this cluster, or those of one instance, whatever their state. */
  async list(signal: AbortSignal, key?: InstanceKey): Promise<readonly ListedContainer[]> {
    const query = { all: true, filters: JSON.stringify({ label: makeLabelFilter(this.#clusterId, key) }) };
    const reply = await this.#engine.call({ method: 'GET', path: '/containers/json', query }, signal);
    if (reply.status !== 200) throw failure('list', 'containers', reply);
    return reply.body as ListedContainer[];
  }

  /** By name or ID, whoever owns it. */
  async inspect(name: string, signal: AbortSignal): Promise<InspectedContainer | undefined> {
    const reply = await this.#engine.call({ method: 'GET', path: pathOf(name, 'json') }, signal);
    if (reply.status === 404) return undefined;
    if (reply.status !== 200) throw failure('inspect', name, reply);
    return reply.body as InspectedContainer;
  }

  /** One that is listed. One whose files are damaged can't be inspected; it can be stopped and removed by what is listed. */
  async inspectListed(listed: ListedContainer, signal: AbortSignal): Promise<InspectedContainer | undefined> {
    try {
      return await this.inspect(listed.Id, signal);
    } catch (error) {
      if (errorCodeOf(error) !== 'INTERNAL') throw error;
      return asListed(listed);
    }
  }

  async create(name: string, body: object, signal: AbortSignal): Promise<CreateResult> {
    const call = { method: 'POST', path: '/containers/create', query: { name }, body, limitMs: createLimitMs } as const;
    const reply = await this.#engine.call(call, signal);
    if (reply.status === 201) return { kind: 'created', id: (reply.body as { Id: string }).Id };
    if (reply.status === 409) return { kind: 'name-taken' };
    if (reply.status === 404) return { kind: 'not-found', message: reply.message };
    throw failure('create', name, reply);
  }

  async start(id: string, name: string, signal: AbortSignal): Promise<void> {
    const call = { method: 'POST', path: pathOf(id, 'start'), limitMs: createLimitMs } as const;
    const reply = await this.#engine.call(call, signal);
    if (reply.status !== 204 && reply.status !== 304) throw failure('start', name, reply);
  }

  /** Asks it to end, and kills it when its grace is over or the daemon doesn't answer; resolves once it's dead. */
  async stop(container: InspectedContainer, name: string, signal: AbortSignal): Promise<void> {
    const graceMs = (container.Config?.StopTimeout ?? defaultStopSeconds) * 1000;
    const call = { method: 'POST', path: pathOf(container.Id, 'stop'), limitMs: graceMs + stopMarginMs } as const;
    try {
      const reply = await this.#engine.call(call, signal);
      if (isDone(reply, 304)) return;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof AgentError)) throw error;
    }
    await this.#kill(container.Id, name, signal);
  }

  async #kill(id: string, name: string, signal: AbortSignal): Promise<void> {
    const call = { method: 'POST', path: pathOf(id, 'kill'), query: { signal: 'SIGKILL' } } as const;
    const reply = await this.#engine.call(call, signal);
    if (!isDone(reply, 409)) throw failure('kill', name, reply); // 409: it doesn't run
    await this.#wait(id, name, 'not-running', signal);
  }

  /** Removes a container that doesn't run, with its anonymous volumes; named ones stay. */
  async remove(id: string, name: string, signal: AbortSignal): Promise<void> {
    const call = { method: 'DELETE', path: pathOf(id), query: { v: true }, limitMs: createLimitMs } as const;
    const reply = await this.#engine.call(call, signal);
    if (isDone(reply)) return;
    if (reply.status !== 409) throw failure('remove', name, reply);
    const still = await this.inspect(id, signal); // it runs, or it's being removed already
    if (still?.State.Running) throw new AgentError('CONFLICT', `Cannot remove container "${name}": ${reply.message}`);
    if (still) await this.#wait(id, name, 'removed', signal);
  }

  async #wait(id: string, name: string, condition: 'not-running' | 'removed', signal: AbortSignal): Promise<void> {
    const call = { method: 'POST', path: pathOf(id, 'wait'), query: { condition }, limitMs: endLimitMs } as const;
    const reply = await this.#engine.call(call, signal);
    if (!isDone(reply, 200)) throw failure('wait for', name, reply);
  }
}

function pathOf(name: string, action?: string): string {
  return `/containers/${encodeURIComponent(name)}${action === undefined ? '' : `/${action}`}`;
}

/** Done, or nothing there to do it to. */
function isDone(reply: EngineReply, alreadySo = 204): boolean {
  return reply.status === 204 || reply.status === 404 || reply.status === alreadySo;
}

function failure(action: string, name: string, reply: EngineReply): AgentError {
  return new AgentError('INTERNAL', `Cannot ${action} container "${name}": ${reply.message || `HTTP ${reply.status}`}`);
}
