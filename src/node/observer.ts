import { errorText } from '../domain/errors.ts';
import type { InstanceKey } from '../domain/ids.ts';
import { runtimeOf } from '../domain/runtime-of.ts';
import type { RuntimeKind } from '../domain/spec.ts';
import type { ObservedInstance } from '../domain/status.ts';
import type { Log } from '../loop/log.ts';
import type { Runtime } from '../runtime/port.ts';

/** What one look at all runtimes showed. */
export interface Observation {
  /** Of a runtime that didn't answer: what it last showed. */
  readonly instances: ReadonlyMap<InstanceKey, ObservedInstance>;
  readonly readable: ReadonlySet<RuntimeKind>;
  /** Why a runtime could not be read. */
  readonly unreadable: ReadonlyMap<RuntimeKind, string>;
}

/** Looks at the runtimes; remembers what one that is away last showed. */
export class Observer {
  readonly #runtimes: readonly Runtime[];
  readonly #log: Log;
  readonly #unreadable = new Map<RuntimeKind, string>();
  #last: ReadonlyMap<InstanceKey, ObservedInstance> = new Map();

  constructor(runtimes: readonly Runtime[], log: Log) {
    this.#runtimes = runtimes;
    this.#log = log;
  }

  /** What the last look showed. */
  get last(): ReadonlyMap<InstanceKey, ObservedInstance> {
    return this.#last;
  }

  /** Asks all runtimes side by side. One that fails is in `unreadable`; only an abort rejects. */
  async observe(signal: AbortSignal): Promise<Observation> {
    const instances = new Map<InstanceKey, ObservedInstance>();
    const readable = new Set<RuntimeKind>();
    await Promise.all(
      this.#runtimes.map(async (runtime) => {
        try {
          for (const instance of await runtime.observe(signal)) instances.set(instance.key, instance);
          readable.add(runtime.kind);
          if (this.#unreadable.delete(runtime.kind)) this.#log.info({ runtime: runtime.kind }, 'runtime answers again');
        } catch (err) {
          signal.throwIfAborted();
          if (!this.#unreadable.has(runtime.kind))
            this.#log.warn({ runtime: runtime.kind, err }, 'runtime does not answer');
          this.#unreadable.set(runtime.kind, errorText(err));
          for (const [key, seen] of this.#last) if (runtimeOf(key) === runtime.kind) instances.set(key, seen);
        }
      }),
    );
    this.#last = instances;
    return { instances, readable, unreadable: new Map(this.#unreadable) };
  }
}
