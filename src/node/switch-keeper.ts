import { AgentError } from '../domain/errors.ts';
import type { DeadMansSwitch } from '../host/port.ts';
import type { Log } from '../loop/log.ts';
import type { NodeRights } from './node-rights.ts';

export interface SwitchKeeperOptions {
  readonly deadMansSwitch: DeadMansSwitch;
  readonly rights: Pick<NodeRights, 'killAtMs'>;
  readonly log: Log;
}

/** What a look at the runtimes says of `stop` instances; `unknown`: none was seen, and some runtime was silent, or asked too early. */
export type StopsSeen = 'some' | 'none' | 'unknown';

/**
 * Whether each renewal re-arms the switch. `inherited`: it does, since nobody knows before a look tells what an earlier process has left
 * running, and its switch armed. A look that shows nothing then lets it run out: what that process asked a daemon for may yet begin,
 * and nobody awaits it any more. `needed`: it does, some may run. `idle`: it doesn't, none does.
 */
type Need = 'inherited' | 'needed' | 'idle';

/**
 * Keeps the dead man's switch armed for as long as a `stop` instance is on the node, up to the time at which it must be dead. Three
 * things are told it: each renewal ({@link renewed}), what each pass has seen ({@link look}), and each start ({@link during}).
 */
export class SwitchKeeper {
  readonly #options: SwitchKeeperOptions;
  #need: Need = 'inherited';
  #armedToMs: number | undefined;
  /** It was armed and is gone, and {@link look} has not told yet. */
  #hasFired = false;
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
    if (this.#need === 'idle' || killAtMs === undefined || killAtMs === this.#armedToMs) return;
    this.#arm(killAtMs);
  }

  /** False when the switch is gone. */
  #arm(killAtMs: number): boolean {
    const wasArmed = this.#armedToMs !== undefined;
    if (this.#options.deadMansSwitch.rearm(killAtMs)) {
      this.#armedToMs = killAtMs;
      return true;
    }
    this.#armedToMs = undefined;
    this.#hasFired ||= wasArmed;
    if (wasArmed) this.#options.log.warn({}, "the dead man's switch is gone: stop instances that ran have been ended");
    return false;
  }

  /**
   * To be called before the runtimes are read; what it returns, with what they showed. That tells whether the switch has been found to
   * have fired since it was last called. `hasEnded`: some `stop` instance is there that doesn't run.
   */
  look(): (seen: StopsSeen, hasEnded: boolean) => boolean {
    const changes = this.#changes;
    return (seen, hasEnded) => {
      // What it ends, it ends after it's gone: a look that shows such an end finds that it has fired.
      if (hasEnded && this.#armedToMs !== undefined) this.#arm(this.#armedToMs);
      this.#keep(seen, changes);
      const hasFired = this.#hasFired;
      this.#hasFired = false;
      return hasFired;
    };
  }

  #keep(seen: StopsSeen, changes: number): void {
    if (seen === 'unknown' || this.#starting > 0 || changes !== this.#changes) return;
    if (seen === 'some') {
      this.#need = 'needed';
      this.renewed();
    } else if (this.#need !== 'idle') {
      if (this.#need === 'needed') this.#options.deadMansSwitch.disarm();
      this.#need = 'idle';
      this.#armedToMs = undefined;
    }
  }

  /** Starts a `stop` instance: the switch is opened and armed before, and stays so. */
  async during<T>(signal: AbortSignal, start: () => Promise<T>): Promise<T> {
    const { deadMansSwitch, rights } = this.#options;
    this.#starting += 1;
    this.#changes += 1;
    this.#need = 'needed';
    try {
      const { killAtMs } = rights;
      if (killAtMs === undefined)
        throw new AgentError('STALE', "Cannot arm the dead man's switch: no lease is this node's");
      if (this.#armedToMs !== undefined) this.#arm(killAtMs);
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
