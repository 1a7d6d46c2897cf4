import { AgentError } from '../domain/errors.ts';
import type { Clock } from '../loop/clock.ts';

/** One request's signal. `end` must be called when its answer is complete. */
export interface RequestScope {
  readonly signal: AbortSignal;
  /** The client has gone: whatever is answered goes nowhere. */
  readonly gone: boolean;
  /** Aborts the signal: the client has gone. */
  cancel(): void;
  end(): void;
}

/**
 * The requests being answered, so that all can be ended. Each has its own controller: signals that were joined to a long-lived
 * one would stay with it for ever.
 */
export class OpenRequests {
  readonly #clock: Clock;
  readonly #open = new Set<AbortController>();
  #streams = 0;
  #closed: AgentError | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Those of them that may take for ever. */
  get streams(): number {
    return this.#streams;
  }

  /**
   * Ends when the client goes, when the API closes, or after `limitMs`.
   * @param onEnd once its answer is complete
   */
  begin(client: AbortSignal, limitMs: number | undefined, onEnd = () => {}): RequestScope {
    const controller = new AbortController();
    let gone = false;
    const onGone = () => {
      gone = true;
      controller.abort(new AgentError('UNAVAILABLE', 'Cannot answer: the client has gone'));
    };
    const onLimit = () =>
      controller.abort(
        new AgentError('UNAVAILABLE', `Cannot answer within ${limitMs ?? 0} ms: expected the store to answer`),
      );
    const cancel = limitMs === undefined ? () => {} : this.#clock.after(limitMs, onLimit);
    this.#open.add(controller);
    if (limitMs === undefined) this.#streams += 1;
    if (this.#closed !== undefined) controller.abort(this.#closed);
    else if (client.aborted) onGone();
    else client.addEventListener('abort', onGone, { once: true });
    const end = () => {
      cancel();
      client.removeEventListener('abort', onGone);
      if (!this.#open.delete(controller)) return;
      if (limitMs === undefined) this.#streams -= 1;
      onEnd();
    };
    return {
      signal: controller.signal,
      get gone() {
        return gone;
      },
      cancel: onGone,
      end,
    };
  }

  /** Ends all, and any that begin later. */
  close(): void {
    this.#closed = new AgentError('UNAVAILABLE', 'Cannot answer: the agent is stopping');
    for (const controller of [...this.#open]) controller.abort(this.#closed);
  }
}
