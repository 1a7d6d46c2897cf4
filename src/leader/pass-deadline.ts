import { AgentError } from '../domain/errors.ts';
import type { Clock } from '../loop/clock.ts';

/** By when a leader's pass must have succeeded: one that can't do its work makes way for another. */
export class PassDeadline {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #onMissed: (error: AgentError) => void;
  #cancel: (() => void) | undefined;
  #lastFailure: unknown;

  /** @param onMissed told once the time is over, with the last failure as the cause. */
  constructor(clock: Clock, limitMs: number, onMissed: (error: AgentError) => void) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#onMissed = onMissed;
  }

  /** A pass begins; the time goes on where it runs already. */
  arm(): void {
    this.#cancel ??= this.#clock.after(this.#limitMs, () => {
      const message = `Cannot go on leading: expected a pass to succeed within ${this.#limitMs} ms`;
      this.#onMissed(new AgentError('UNAVAILABLE', message, { cause: this.#lastFailure }));
    });
  }

  /** A pass has succeeded. */
  succeeded(): void {
    this.spare();
    this.#lastFailure = undefined;
  }

  /** A pass has failed: the time goes on. */
  failed(error: unknown): void {
    this.#lastFailure = error;
  }

  /** The time begins anew with the next pass. */
  spare(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
