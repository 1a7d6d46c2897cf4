import { AgentError } from '../../src/domain/errors.ts';
import type { InstanceKey } from '../../src/domain/ids.ts';
import type { RuntimeKind } from '../../src/domain/spec.ts';
import type { ObservedInstance } from '../../src/domain/status.ts';
import type {
  ExecSession,
  InstanceUsage,
  LogLines,
  LogOptions,
  Runtime,
  StartOrder,
  StartProgress,
} from '../../src/runtime/port.ts';
import type { SimProcess } from './sim-process.ts';

/** What the simulation learns of what an agent asks of its machine. */
export interface RuntimeTap {
  readonly onStop: (key: InstanceKey) => void;
}

/** How long the daemon's list of what is there travels: it's old when it comes. */
export type ObserveDelay = () => number;

/** A simulated process's connection to a daemon of its machine. */
export class SimRuntime implements Runtime {
  readonly kind: RuntimeKind;
  readonly #runtime: Runtime;
  readonly #process: SimProcess;
  readonly #tap: RuntimeTap;
  readonly #observeDelayMs: ObserveDelay;

  constructor(runtime: Runtime, process: SimProcess, tap: RuntimeTap, observeDelayMs: ObserveDelay) {
    this.kind = runtime.kind;
    this.#runtime = runtime;
    this.#process = process;
    this.#tap = tap;
    this.#observeDelayMs = observeDelayMs;
  }

  /** What calls under way end with when their daemon goes away. */
  static away(): Error {
    return new AgentError('UNAVAILABLE', 'Cannot reach the fake daemon: it went away');
  }

  version(signal: AbortSignal): Promise<string | undefined> {
    return this.#call(signal, (stop) => this.#runtime.version(stop));
  }

  async observe(signal: AbortSignal): Promise<readonly ObservedInstance[]> {
    const seen = await this.#call(signal, (stop) => this.#runtime.observe(stop));
    const delayMs = this.#observeDelayMs();
    if (delayMs > 0) await this.#process.clock.sleep(delayMs, signal);
    signal.throwIfAborted();
    return seen;
  }

  start(order: StartOrder, onProgress: (progress: StartProgress) => void, signal: AbortSignal): Promise<void> {
    const report = (progress: StartProgress) => this.#process.deliver(() => onProgress(progress));
    return this.#call(signal, (stop) => this.#runtime.start(order, report, stop));
  }

  install(order: StartOrder, signal: AbortSignal): Promise<void> {
    return this.#call(signal, (stop) => this.#runtime.install(order, stop));
  }

  stop(key: InstanceKey, signal: AbortSignal): Promise<void> {
    this.#tap.onStop(key);
    return this.#call(signal, (stop) => this.#runtime.stop(key, stop));
  }

  remove(key: InstanceKey, signal: AbortSignal): Promise<void> {
    return this.#call(signal, (stop) => this.#runtime.remove(key, stop));
  }

  logs(key: InstanceKey, options: LogOptions, signal: AbortSignal): AsyncIterable<LogLines> {
    return this.#runtime.logs(key, options, signal);
  }

  exec(): Promise<ExecSession> {
    return Promise.reject(SimRuntime.away());
  }

  usage(signal: AbortSignal): Promise<readonly InstanceUsage[]> {
    return this.#call(signal, (stop) => this.#runtime.usage(stop));
  }

  resolveImage(image: string, signal: AbortSignal): Promise<string | undefined> {
    return this.#call(signal, (stop) => this.#runtime.resolveImage(image, stop));
  }

  run(onChange: () => void, signal: AbortSignal): Promise<void> {
    const options = { tag: this.kind, signal, endsWithProcess: true };
    const deliver = () => this.#process.deliver(onChange);
    // The stream of events reconnects by itself: a daemon that goes away doesn't end it.
    return this.#process.call({ ...options, tag: 'events' }, (stop) => this.#runtime.run(deliver, stop));
  }

  close(): void {
    this.#runtime.close();
  }

  #call<T>(signal: AbortSignal, begin: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#process.call({ tag: this.kind, signal }, begin);
  }
}
