import { AgentError } from '../domain/errors.ts';
import type { Clock } from '../loop/clock.ts';
import type { CallPlan, Calls } from './calls.ts';
import type { Endpoints } from './endpoints.ts';
import { GrpcFailure, toAgentError } from './grpc-failure.ts';
import type { RawClient } from './raw-client.ts';

/** What hedged calls share. */
export interface HedgeParts {
  readonly endpoints: Endpoints;
  readonly calls: Calls;
  readonly clock: Clock;
  readonly attemptMs: number;
  readonly callMs: number;
}

/** After this part of an attempt's time without an answer, the next endpoint is asked too. */
const hedgePart = 0.3;

/**
 * A call that must be answered soon and may be sent twice: begins at the endpoint in use; while that is silent the others are asked
 * too, in turn, never one that still owes an answer. The first answer counts. An endpoint is left only when its own time is over.
 *
 * For renewals: with the store's leader frozen, an attempt through a healthy follower hangs as well until its own end, and those
 * sent after the election are answered at once. One at a time took up to 6.5 s of a TTL of 10 s (measured).
 */
export class HedgedCall<T> {
  readonly #parts: HedgeParts;
  readonly #plan: Omit<CallPlan<T>, 'resend'>;
  readonly #signal: AbortSignal;
  readonly #owing = new Set<string>();
  readonly #result = Promise.withResolvers<T>();
  readonly #untilMs: number;
  #winner: RawClient | undefined;
  #isDone = false;
  readonly #order: readonly string[];
  /** The place in the order, counted on and on, of the next endpoint to ask. */
  #next = 0;
  /** All owed an answer when the next was due: it's asked as soon as one doesn't. */
  #isWaiting = false;
  #lastFailure = new AgentError('UNAVAILABLE', 'Cannot call etcd: no endpoint answered');
  #cancelNext: () => void = () => {};

  constructor(parts: HedgeParts, plan: Omit<CallPlan<T>, 'resend'>, signal: AbortSignal) {
    this.#parts = parts;
    this.#plan = plan;
    this.#signal = signal;
    this.#order = parts.endpoints.fromCurrent();
    this.#untilMs = parts.clock.monotonicMs() + parts.callMs;
  }

  /** Once. */
  run(): Promise<T> {
    this.#signal.throwIfAborted();
    this.#signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#beginNext();
    return this.#result.promise;
  }

  readonly #onAbort = (): void => this.#end(() => this.#result.reject(this.#signal.reason));

  #beginNext(): void {
    this.#cancelNext();
    const { clock, endpoints, attemptMs } = this.#parts;
    if (this.#isDone) return;
    if (clock.monotonicMs() >= this.#untilMs) {
      this.#end(() => this.#result.reject(this.#lastFailure));
      return;
    }
    this.#cancelNext = clock.after(attemptMs * hedgePart, () => this.#beginNext());
    const at = this.#order.findIndex((_, ahead) => !this.#owing.has(this.#endpointAt(this.#next + ahead)));
    this.#isWaiting = at < 0;
    if (at < 0) return;
    this.#next += at + 1;
    try {
      this.#begin(endpoints.client(this.#endpointAt(this.#next - 1)));
    } catch (error) {
      this.#end(() => this.#result.reject(error));
    }
  }

  #begin(client: RawClient): void {
    this.#owing.add(client.endpoint);
    this.#parts.calls.attempt(client, { ...this.#plan, resend: 'again' }, this.#parts.attemptMs, this.#signal).then(
      (answer) => {
        this.#owing.delete(client.endpoint);
        this.#winner ??= client;
        this.#parts.endpoints.answered(client);
        this.#end(() => this.#result.resolve(answer));
      },
      (error: unknown) => {
        this.#owing.delete(client.endpoint);
        this.#failed(client, error);
      },
    );
  }

  #failed(client: RawClient, error: unknown): void {
    const { endpoints } = this.#parts;
    if (!(error instanceof GrpcFailure)) {
      this.#end(() => this.#result.reject(error));
      return;
    }
    if (error.isTransient) endpoints.leave(client, error);
    if (this.#winner) endpoints.answered(this.#winner);
    this.#lastFailure = toAgentError(error, this.#plan.action, client.endpoint);
    if (!error.isTransient) this.#end(() => this.#result.reject(this.#lastFailure));
    else if (this.#isWaiting || (this.#owing.size === 0 && this.#next < this.#order.length)) this.#beginNext();
  }

  #endpointAt(place: number): string {
    return this.#order[place % this.#order.length] as string;
  }

  /** The first end counts; attempts under way go on to their own. */
  #end(settle: () => void): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#cancelNext();
    this.#signal.removeEventListener('abort', this.#onAbort);
    settle();
  }
}
