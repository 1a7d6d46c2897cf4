import { AgentError } from '../../domain/errors.ts';
import type { ClusterId, InstanceKey } from '../../domain/ids.ts';
import { containerName, displayName } from '../../domain/names.ts';
import type { ContainerSpec } from '../../domain/spec.ts';
import type { ObservedInstance } from '../../domain/status.ts';
import type { Clock } from '../../loop/clock.ts';
import type { Log } from '../../loop/log.ts';
import { readUsage } from '../control-group-usage.ts';
import type {
  ExecOrder,
  ExecSession,
  InstanceUsage,
  LogLine,
  LogOptions,
  Runtime,
  StartOrder,
  StartProgress,
} from '../port.ts';
import { ContainerMaker } from './container-maker.ts';
import { Containers } from './containers.ts';
import { type Engine, openEngine } from './engine.ts';
import { execInContainer } from './exec-container.ts';
import { InTurn } from './in-turn.ts';
import { isAlive } from './is-as-ordered.ts';
import { LostProcesses } from './lost-processes.ts';
import { ObservedContainers } from './observed-containers.ts';
import { pullImage } from './pull-image.ts';
import { readLogs } from './read-logs.ts';
import { resolveImage } from './resolve-image.ts';
import { SharedPulls } from './shared-pulls.ts';
import { watchEvents } from './watch-events.ts';

/** What the runtime is made of. */
export interface DockerRuntimeOptions {
  /** `/var/run/docker.sock` */
  readonly socketPath: string;
  readonly clusterId: ClusterId;
  /** Files with registry credentials as `docker login` writes them, in order of preference; they may be absent. */
  readonly registryConfigPaths: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** SIGKILL, to a process of this machine that may be gone by now. */
  readonly killProcess: (pid: number) => void;
  /** Where the machine remembers, until it boots, that its Docker was seen: `/run/muster/docker-seen`; absent: nowhere. */
  readonly seenPath?: string;
  /** A call that is answered from the daemon's memory may take so long: 15 s by default. */
  readonly callLimitMs?: number;
  /** Below which control group `stop` instances live where dockerd manages the groups itself: the slice's path by default. */
  readonly stopGroupPath?: string;
  /** Prefixed to paths below /proc and /sys, and to commands: where Docker is another machine's. */
  readonly root?: string;
  readonly enter?: readonly string[];
  /** A pull that makes no progress is given up after this: 3 min by default. */
  readonly pullStallMs?: number;
}

type OnProgress = (progress: StartProgress) => void;

/** Makes the runtime; connects when first used. Closing it leaves every container as it is. */
export function openDockerRuntime(options: DockerRuntimeOptions): Runtime {
  return new DockerRuntime(options);
}

class DockerRuntime implements Runtime {
  readonly kind = 'docker';
  readonly #options: DockerRuntimeOptions;
  readonly #engine: Engine;
  readonly #containers: Containers;
  readonly #observed: ObservedContainers;
  readonly #lost: LostProcesses;
  readonly #turns = new InTurn();
  readonly #maker: ContainerMaker;
  readonly #closed = new AbortController();

  constructor(options: DockerRuntimeOptions) {
    const { socketPath, clusterId, clock, callLimitMs = 15_000, pullStallMs = 180_000 } = options;
    this.#options = options;
    this.#engine = openEngine({ socketPath, clock, limitMs: callLimitMs, seenPath: options.seenPath });
    this.#containers = new Containers(this.#engine, clusterId);
    const { killProcess, log, root, stopGroupPath } = options;
    this.#lost = new LostProcesses({ containers: this.#containers, killProcess, clock, log, root });
    this.#observed = new ObservedContainers(this.#containers, this.#lost, clusterId, clock);
    const pullOptions = { engine: this.#engine, clock, auth: this.#auth, stallMs: pullStallMs };
    this.#maker = new ContainerMaker({
      engine: this.#engine,
      containers: this.#containers,
      observed: this.#observed,
      lost: this.#lost,
      pulls: new SharedPulls((image, onProgress, signal) => pullImage(image, pullOptions, onProgress, signal)),
      clusterId,
      stopGroupPath,
      closed: this.#closed.signal,
    });
  }

  async version(signal: AbortSignal): Promise<string | undefined> {
    return this.#unlessAbsent(() => this.#engine.version(signal), undefined);
  }

  async observe(signal: AbortSignal): Promise<readonly ObservedInstance[]> {
    return this.#unlessAbsent(() => this.#observed.observe(signal), []);
  }

  async start(order: StartOrder, onProgress: OnProgress, signal: AbortSignal): Promise<void> {
    const { run } = order;
    if (run.kind !== 'container') {
      throw new AgentError('INVALID_INPUT', `Cannot start "${displayName(order.key)}" in Docker: expected a container`);
    }
    await this.#turns.run(order.key, () => this.#start(order, run, onProgress, signal), signal);
  }

  async install({ key }: StartOrder): Promise<void> {
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot load "${displayName(key)}": expected a unit, a container has no such state`,
    );
  }

  /** Waited for, as its making is: see {@link ContainerMaker} and {@link InTurn}. */
  async #start(order: StartOrder, spec: ContainerSpec, onProgress: OnProgress, signal: AbortSignal): Promise<void> {
    const name = containerName(order.key);
    onProgress({ phase: 'starting' });
    const id = await this.#maker.make(order, spec, onProgress, signal);
    signal.throwIfAborted();
    this.#observed.startBegins(id);
    await this.#containers.start(id, name, this.#closed.signal);
    this.#observed.forget(id);
  }

  async stop(key: InstanceKey, signal: AbortSignal): Promise<void> {
    await this.#turns.run(key, () => this.#stop(key, signal), signal);
  }

  async #stop(key: InstanceKey, signal: AbortSignal): Promise<void> {
    for (const listed of await this.#containers.list(signal, key)) {
      const { Id: id } = listed;
      const container = await this.#containers.inspectListed(listed, signal);
      if (!container) continue;
      if (isAlive(container)) this.#observed.stopBegins(id);
      try {
        await this.#lost.mustEnd(container, containerName(key), signal);
        await this.#containers.stop(container, containerName(key), signal);
      } finally {
        this.#observed.stopEnds(id);
      }
    }
  }

  async remove(key: InstanceKey, signal: AbortSignal): Promise<void> {
    await this.#turns.run(key, () => this.#remove(key, signal), signal);
  }

  async #remove(key: InstanceKey, signal: AbortSignal): Promise<void> {
    for (const listed of await this.#containers.list(signal, key)) {
      const { Id: id } = listed;
      const container = await this.#containers.inspectListed(listed, signal);
      if (container) await this.#lost.mustEnd(container, containerName(key), signal);
      await this.#containers.remove(id, containerName(key), signal);
      this.#observed.forget(id);
    }
  }

  logs(key: InstanceKey, options: LogOptions, signal: AbortSignal): AsyncIterable<readonly LogLine[]> {
    const locate = async (during: AbortSignal) => {
      const listed = await this.#containers.list(during, key);
      const one = listed.find(({ State: state }) => state === 'running') ?? listed[0];
      return one && { id: one.Id, running: one.State === 'running' };
    };
    return readLogs({ engine: this.#engine, clock: this.#options.clock, locate }, displayName(key), options, signal);
  }

  async exec(key: InstanceKey, order: ExecOrder, signal: AbortSignal): Promise<ExecSession> {
    const listed = await this.#containers.list(signal, key);
    const name = displayName(key);
    const running = listed.find(({ State: state }) => state === 'running');
    if (listed.length === 0)
      throw new AgentError('NOT_FOUND', `Cannot run a command in "${name}": expected a container of this cluster`);
    if (running === undefined)
      throw new AgentError('CONFLICT', `Cannot run a command in "${name}": expected its container to run`);
    const { clock, root = '', enter = [] } = this.#options;
    const parts = { engine: this.#engine, clock, root, enter };
    return execInContainer(parts, { id: running.Id, name }, order, signal);
  }

  async usage(signal: AbortSignal): Promise<readonly InstanceUsage[]> {
    const instances = await this.observe(signal);
    return readUsage(
      instances.map(({ key, pid, container }) => ({ key, pid, within: container?.id })),
      this.#options.root,
    );
  }

  async resolveImage(image: string, signal: AbortSignal): Promise<string | undefined> {
    const options = { engine: this.#engine, auth: this.#auth, log: this.#options.log };
    return this.#unlessAbsent(() => resolveImage(image, options, signal), undefined);
  }

  async run(onChange: () => void, signal: AbortSignal): Promise<void> {
    const { clusterId, clock, log, random } = this.#options;
    const onOpen = () => {
      this.#observed.setEvents(true);
      onChange();
    };
    const onEvent = (id: string) => {
      this.#observed.forget(id);
      onChange();
    };
    const onClose = () => {
      this.#observed.setEvents(false);
      onChange(); // it may be gone: what can't be asked is told of
    };
    await watchEvents({ engine: this.#engine, clusterId, clock, log, random, onOpen, onEvent, onClose }, signal);
  }

  close(): void {
    this.#closed.abort(new AgentError('UNAVAILABLE', 'Cannot wait for Docker: the runtime was closed'));
    this.#engine.close();
  }

  get #auth() {
    return { configPaths: this.#options.registryConfigPaths, log: this.#options.log };
  }

  /** A machine whose Docker was never seen and has no socket doesn't have it; one whose Docker was seen has it, and it's away. */
  async #unlessAbsent<T>(work: () => Promise<T>, absent: T): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (this.#engine.isAbsent(error)) return absent;
      throw error;
    }
  }
}
