import type { RuntimeKind } from '../domain/spec.ts';
import type { Clock } from '../loop/clock.ts';
import type { NodeRuntime } from '../runtime/port.ts';
import { type Metrics, reading } from './metrics.ts';
import { outcomeOf } from './outcome.ts';

/** The operations that are counted. */
type Operation = 'observe' | 'start' | 'install' | 'stop' | 'remove';

/** The runtimes as they are, with the end of each operation counted, and whether each answered when it was last looked at. */
export function meterRuntimes(
  runtimes: readonly NodeRuntime[],
  metrics: Metrics,
  clock: Clock,
): readonly NodeRuntime[] {
  const up = new Map<RuntimeKind, boolean>();
  metrics.addSource(() => [...up].map(([runtime, is]) => reading('muster_runtime_up', is ? 1 : 0, { runtime })));
  return runtimes.map((runtime) => meterRuntime(runtime, new Meter(runtime.kind, metrics, clock), up));
}

function meterRuntime(runtime: NodeRuntime, meter: Meter, up: Map<RuntimeKind, boolean>): NodeRuntime {
  const { kind } = runtime;
  return {
    kind,
    observe: async (signal) => {
      try {
        const observed = await meter.run('observe', signal, () => runtime.observe(signal));
        up.set(kind, true);
        return observed;
      } catch (error) {
        if (!signal.aborted) up.set(kind, false);
        throw error;
      }
    },
    start: (order, onProgress, signal) => meter.run('start', signal, () => runtime.start(order, onProgress, signal)),
    install: (order, signal) => meter.run('install', signal, () => runtime.install(order, signal)),
    stop: (key, signal) => meter.run('stop', signal, () => runtime.stop(key, signal)),
    remove: (key, signal) => meter.run('remove', signal, () => runtime.remove(key, signal)),
    run: (onChange, signal) => runtime.run(onChange, signal),
  };
}

class Meter {
  readonly #runtime: RuntimeKind;
  readonly #metrics: Metrics;
  readonly #clock: Clock;

  constructor(runtime: RuntimeKind, metrics: Metrics, clock: Clock) {
    this.#runtime = runtime;
    this.#metrics = metrics;
    this.#clock = clock;
  }

  async run<T>(operation: Operation, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const beganMs = this.#clock.monotonicMs();
    try {
      const result = await work();
      this.#ended(operation, 'ok', beganMs);
      return result;
    } catch (error) {
      this.#ended(operation, outcomeOf(error, signal.aborted), beganMs);
      throw error;
    }
  }

  #ended(operation: Operation, outcome: string, beganMs: number): void {
    const labels = { runtime: this.#runtime, operation };
    this.#metrics.count('muster_runtime_operations_total', { ...labels, outcome });
    this.#metrics.time('muster_runtime_operation_duration_seconds', labels, this.#clock.monotonicMs() - beganMs);
  }
}
