import { AgentError } from '../../src/domain/errors.ts';
import type { ClusterId, InstanceKey } from '../../src/domain/ids.ts';
import type { RuntimeKind } from '../../src/domain/spec.ts';
import type { ObservedInstance, UnitState } from '../../src/domain/status.ts';
import type {
  ExecOrder,
  ExecSession,
  InstanceUsage,
  LogLine,
  LogOptions,
  Runtime,
  StartOrder,
  StartProgress,
} from '../../src/runtime/port.ts';
import { execHere } from './fake-exec.ts';
import type { FakeBehaviour, FakeItem, FakeMachine } from './fake-machine.ts';

/** Opens a runtime on the machine, as an agent does at its start. */
export function openFakeRuntime(machine: FakeMachine, clusterId: ClusterId, kind: RuntimeKind = 'docker'): Runtime {
  return new FakeRuntime(machine, clusterId, kind);
}

class FakeRuntime implements Runtime {
  readonly kind: RuntimeKind;
  readonly #machine: FakeMachine;
  readonly #clusterId: ClusterId;

  constructor(machine: FakeMachine, clusterId: ClusterId, kind: RuntimeKind) {
    this.#machine = machine;
    this.#clusterId = clusterId;
    this.kind = kind;
  }

  async version(signal: AbortSignal): Promise<string> {
    this.#answer(signal);
    return '1.0';
  }

  async observe(signal: AbortSignal): Promise<readonly ObservedInstance[]> {
    this.#answer(signal);
    const ours = [...this.#machine.items.values()].filter(({ cluster }) => cluster === this.#clusterId);
    return ours.map((item) => this.#observed(item)).sort((one, other) => (one.key < other.key ? -1 : 1));
  }

  async start(order: StartOrder, onProgress: (progress: StartProgress) => void, signal: AbortSignal): Promise<void> {
    await this.#called('start', order.key, signal);
    const behaviour = this.#machine.behave(order);
    await this.#fetch(order, behaviour, onProgress, signal);
    onProgress({ phase: 'starting' });
    this.#reserve(order);
    await this.#take(this.#machine.startMs, signal);
    const item = this.#reserve(order);
    if (item.phase === 'running' || item.phase === 'stopping') return;
    if (behaviour.refusal !== undefined) {
      this.#machine.fail(item, behaviour.refusal);
      throw new AgentError('INTERNAL', `Cannot start "${order.key}": ${behaviour.refusal}`);
    }
    const forbidden = this.#machine.forbid(order);
    if (forbidden !== undefined) throw new AgentError('UNAVAILABLE', `Cannot start "${order.key}": ${forbidden}`);
    this.#machine.begin(item);
  }

  async install(order: StartOrder, signal: AbortSignal): Promise<void> {
    await this.#called('install', order.key, signal);
    const item = this.#reserve(order);
    if (item.phase === 'stopped' || item.phase === 'failed') this.#machine.add(this.#clusterId, order);
    this.#machine.tell();
  }

  async stop(key: InstanceKey, signal: AbortSignal): Promise<void> {
    await this.#called('stop', key, signal);
    const item = this.#own(key);
    if (!item || (item.phase !== 'running' && item.phase !== 'stopping')) return;
    const { stopMs = this.#machine.stopMs } = this.#machine.behave(item.order);
    item.phase = 'stopping';
    // As a daemon does, it goes on whoever hangs up.
    item.ending ??= this.#take(stopMs, new AbortController().signal).then(() => {
      item.ending = undefined;
      if (item.phase === 'stopping') this.#machine.end(item, 'stopped', 143);
    });
    await orAborted(item.ending, signal);
  }

  async remove(key: InstanceKey, signal: AbortSignal): Promise<void> {
    await this.#called('remove', key, signal);
    const item = this.#own(key);
    if (item?.phase === 'running' || item?.phase === 'stopping') {
      throw new AgentError('CONFLICT', `Cannot remove "${key}": expected it to be stopped first`);
    }
    if (item) this.#machine.items.delete(key);
    this.#machine.tell();
  }

  async *logs(key: InstanceKey, options: LogOptions, signal: AbortSignal): AsyncGenerator<readonly LogLine[], void> {
    this.#answer(signal);
    const item = this.#own(key);
    if (!item) throw new AgentError('NOT_FOUND', `Cannot read logs of "${key}": expected an instance of this cluster`);
    const { since = '0001-01-01T00:00:00Z' } = options;
    let at = options.tail === undefined ? 0 : Math.max(0, item.lines.length - options.tail);
    for (;;) {
      const lines = item.lines.slice(at).filter((line) => Temporal.Instant.compare(line.at, since) >= 0);
      at = item.lines.length;
      if (lines.length > 0) yield lines;
      signal.throwIfAborted();
      if (!options.follow) return;
      await this.#take(50, signal);
    }
  }

  async exec(key: InstanceKey, order: ExecOrder, signal: AbortSignal): Promise<ExecSession> {
    this.#answer(signal);
    const item = this.#own(key);
    if (!item) throw new AgentError('NOT_FOUND', `Cannot run a command in "${key}": expected one of this cluster`);
    if (item.phase !== 'running') throw new AgentError('CONFLICT', `Cannot run a command in "${key}": it does not run`);
    return execHere(order);
  }

  async usage(signal: AbortSignal): Promise<readonly InstanceUsage[]> {
    this.#answer(signal);
    const ours = [...this.#machine.items.values()].filter(({ cluster }) => cluster === this.#clusterId);
    const running = ours.filter(({ phase }) => phase === 'running');
    return running.map(({ order }) => ({ key: order.key, cpuNs: 1_000_000n, memoryBytes: 1_048_576 }));
  }

  async resolveImage(image: string, signal: AbortSignal): Promise<string | undefined> {
    this.#answer(signal);
    return this.kind === 'docker' ? `${image}@sha256:${'0'.repeat(64)}` : undefined;
  }

  async run(onChange: () => void, signal: AbortSignal): Promise<void> {
    const watcher = () => onChange(); // its own: one may watch twice
    this.#machine.watchers.add(watcher);
    onChange();
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    this.#machine.watchers.delete(watcher);
  }

  close(): void {}

  #own(key: InstanceKey): FakeItem | undefined {
    const item = this.#machine.items.get(key);
    return item?.cluster === this.#clusterId ? item : undefined;
  }

  /** The item that the order is for, made if the name is free. What is there for an earlier order of the same hash is made anew. */
  #reserve(order: StartOrder): FakeItem {
    const there = this.#machine.items.get(order.key);
    if (!there) return this.#machine.add(this.#clusterId, order);
    if (there.cluster !== this.#clusterId) {
      throw new AgentError('CONFLICT', `Cannot start "${order.key}": expected the name to be free`);
    }
    if (there.order.specHash !== order.specHash) {
      throw new AgentError(
        'CONFLICT',
        `Cannot start "${order.key}": expected the one of an earlier spec to be removed`,
      );
    }
    const isSame = there.order.assignmentRevision === order.assignmentRevision;
    const isDead = there.phase === 'stopped' || there.phase === 'failed';
    return isDead && !isSame ? this.#machine.add(this.#clusterId, order) : there;
  }

  async #fetch(
    order: StartOrder,
    { pullMs }: FakeBehaviour,
    onProgress: (progress: StartProgress) => void,
    signal: AbortSignal,
  ): Promise<void> {
    if (pullMs === undefined || order.run.kind !== 'container') return;
    const image = order.resolvedImage ?? order.run.image;
    if (this.#machine.images.has(image)) return;
    onProgress({ phase: 'pulling', detail: 'layer 1 of 1' });
    await this.#take(pullMs, signal);
    this.#machine.images.add(image);
  }

  /** Refuses as a daemon that is away does, and hangs where told to. */
  async #called(what: string, key: InstanceKey, signal: AbortSignal): Promise<void> {
    this.#answer(signal);
    this.#machine.calls.push(`${what} ${key}`);
    while (this.#machine.hung.has(key)) await this.#take(1_000, signal);
  }

  #answer(signal: AbortSignal): void {
    signal.throwIfAborted();
    if (this.#machine.isAway) throw new AgentError('UNAVAILABLE', 'Cannot reach the fake daemon: it is away');
  }

  async #take(ms: number, signal: AbortSignal): Promise<void> {
    await this.#machine.clock.sleep(ms, signal);
    signal.throwIfAborted();
  }

  #observed(item: FakeItem): ObservedInstance {
    const { clock } = this.#machine;
    const isAlive = item.phase === 'running' || item.phase === 'stopping';
    return {
      key: item.order.key,
      specHash: item.order.specHash,
      disconnect: item.order.disconnect,
      phase: item.phase,
      health: item.health,
      everStarted: item.everStarted,
      runningForMs: isAlive ? clock.monotonicMs() - item.startedAtMs : 0,
      runtimeRestarts: 0,
      restartsItself: false,
      ...(this.kind === 'systemd'
        ? { unit: unitWords[item.phase] }
        : { container: { id: item.id, state: isAlive ? 'running' : 'exited' } }),
      ...(item.startedAt !== undefined && { startedAt: item.startedAt }),
      ...(item.finishedAt !== undefined && { finishedAt: item.finishedAt }),
      ...(item.exitCode !== undefined && { exitCode: item.exitCode }),
      ...(item.error !== undefined && { error: item.error }),
      ...(item.pid !== undefined && { pid: item.pid }),
    };
  }
}

/** What systemd says of a unit in each phase. */
const unitWords: Readonly<Record<FakeItem['phase'], UnitState>> = {
  starting: { load: 'loaded', active: 'activating', sub: 'auto-restart' },
  running: { load: 'loaded', active: 'active', sub: 'running' },
  stopping: { load: 'loaded', active: 'deactivating', sub: 'stop-sigterm' },
  stopped: { load: 'loaded', active: 'inactive', sub: 'dead' },
  failed: { load: 'loaded', active: 'failed', sub: 'failed' },
};

function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
