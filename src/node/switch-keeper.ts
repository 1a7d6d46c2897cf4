import { AgentError } from '../domain/errors.ts';
import type { DeadMansSwitch } from '../host/port.ts';
import type { Log } from '../loop/log.ts';
import type { NodeRights } from './node-rights.ts';

export interface SwitchKeeperOptions {
  readonly deadMansSwitch: DeadMansSwitch;
  readonly rights: Pick<NodeRights, 'killAtMs'>;
  readonly log: Log;
}

/** What a look at the runtimes says of `stop` instances; `unknown`: not all of them answered, and none was seen. */
export type StopsSeen = 'some' | 'none' | 'unknown';

/**
 * Keeps the dead man's switch armed for as long as a `stop` instance is on the node, up to the time at which it must be dead. Three
 * things are told it: each renewal ({@link renewed}), what each pass has seen ({@link look}), and each start ({@link during}).
 */
export class SwitchKeeper {
  readonly #options: SwitchKeeperOptions;
  /** Some may run: each renewal re-arms. */
  #isNeeded = false;
  #armedToMs: number | undefined;
  /** Starts under way. */
  #starting = 0;
  /** Starts that have begun or ended so far: a look that was taken in between may not show them. */
  #changes = 0;

  constructor(options: SwitchKeeperOptions) {
    this.#options = options;
  }

  /** The right to run `stop` instances may reach further now. Synchronous and cheap. */
  renewed(): void {
    const { killAtMs } = this.#options.rights;
    if (!this.#isNeeded || killAtMs === undefined || killAtMs === this.#armedToMs) return;
    const wasArmed = this.#armedToMs !== undefined;
    if (this.#options.deadMansSwitch.rearm(killAtMs)) {
      this.#armedToMs = killAtMs;
      return;
    }
    this.#armedToMs = undefined;
    if (wasArmed) this.#options.log.warn({}, "the dead man's switch is gone: stop instances that ran have been ended");
  }

  /** To be called before the runtimes are read; what it returns, with what they showed. */
  look(): (seen: StopsSeen) => void {
    const { deadMansSwitch } = this.#options;
    const changes = this.#changes;
    return (seen) => {
      if (seen === 'unknown' || this.#starting > 0 || changes !== this.#changes) return;
      if (seen === 'some') {
        this.#isNeeded = true;
        this.renewed();
      } else if (this.#isNeeded) {
        this.#isNeeded = false;
        this.#armedToMs = undefined;
        deadMansSwitch.disarm();
      }
    };
  }

  /** Starts a `stop` instance: the switch is opened and armed before, and stays so. */
  async during<T>(signal: AbortSignal, start: () => Promise<T>): Promise<T> {
    const { deadMansSwitch, rights } = this.#options;
    this.#starting += 1;
    this.#changes += 1;
    this.#isNeeded = true;
    try {
      const { killAtMs } = rights;
      if (killAtMs === undefined)
        throw new AgentError('STALE', "Cannot arm the dead man's switch: no lease is this node's");
      await deadMansSwitch.open(killAtMs, signal);
      this.#armedToMs = killAtMs;
      this.renewed();
      return await start();
    } finally {
      this.#starting -= 1;
      this.#changes += 1;
    }
  }
}
