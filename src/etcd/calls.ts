import { backoffMs } from '../loop/backoff.ts';
import type { Clock } from '../loop/clock.ts';
import type { Endpoints } from './endpoints.ts';
import { GrpcFailure, grpcCode, toAgentError } from './grpc-failure.ts';
import type { PendingCall, RawClient, ServiceName } from './raw-client.ts';

/** What a call needs besides its request. */
export interface CallPlan<T> {
  /** For people: `read "/muster/x"`. */
  readonly action: string;
  readonly service: ServiceName;
  /**
   * `again`: at every endpoint, until the call's time is over. `unsent`: at the next endpoint only where it provably never left
   * this process; else the caller must find out what became of it.
   */
  readonly resend: 'again' | 'unsent';
  readonly begin: (client: RawClient) => PendingCall<T>;
}

export interface CallLimits {
  readonly attemptMs: number;
  readonly callMs: number;
}

/** Between two rounds over all endpoints. */
const backoff = { firstMs: 100, maxMs: 1_000, jitter: 0.5 } as const;
/** With less time left than this a call ends: its reason would only say that there was no time. */
const shortestAttemptMs = 100;

/** Runs calls: one attempt at a time, each limited, on the endpoint in use, moving on when it fails. */
export class Calls {
  readonly #endpoints: Endpoints;
  readonly #clock: Clock;
  readonly #limits: CallLimits;
  readonly #random: () => number;

  constructor(endpoints: Endpoints, clock: Clock, limits: CallLimits, random: () => number = Math.random) {
    this.#endpoints = endpoints;
    this.#clock = clock;
    this.#limits = limits;
    this.#random = random;
  }

  /** @throws AgentError as the port says; the signal's reason on abort */
  async run<T>(plan: CallPlan<T>, signal: AbortSignal): Promise<T> {
    const untilMs = this.#clock.monotonicMs() + this.#limits.callMs;
    for (let tries = 1; ; tries += 1) {
      signal.throwIfAborted();
      const client = this.#endpoints.current();
      const leftMs = untilMs - this.#clock.monotonicMs();
      try {
        const answer = await this.attempt(client, plan, Math.min(this.#limits.attemptMs, leftMs), signal);
        this.#endpoints.answered(client);
        return answer;
      } catch (error) {
        if (!(error instanceof GrpcFailure)) throw error;
        if (error.isTransient) this.#endpoints.leave(client, error);
        if (!(await this.#mayGoOn(plan, error, { tries, untilMs }, signal))) {
          throw toAgentError(error, plan.action, client.endpoint);
        }
      }
    }
  }

  /** One attempt on one endpoint: a connection, then the call, together within `limitMs`. Rejects with a GrpcFailure or the signal's reason. */
  async attempt<T>(client: RawClient, plan: CallPlan<T>, limitMs: number, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const untilMs = this.#clock.monotonicMs() + limitMs;
    await this.within(client.connected(plan.service), { limitMs, sent: false }, signal);
    signal.throwIfAborted();
    const restMs = plan.resend === 'unsent' ? limitMs : Math.max(untilMs - this.#clock.monotonicMs(), 1);
    return this.within(plan.begin(client), { limitMs: restMs, sent: true }, signal);
  }

  /** Its answer within the limit; else it's cancelled. Leaves neither timer nor listener. */
  within<T>(
    call: PendingCall<T>,
    { limitMs, sent }: { readonly limitMs: number; readonly sent: boolean },
    signal: AbortSignal,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = new AbortController();
      const tidy = () => {
        timer.abort('settled'); // without a reason, each would make an error with its stack
        signal.removeEventListener('abort', onAbort);
      };
      const giveUp = (reason: unknown) => {
        tidy();
        call.cancel();
        reject(reason);
      };
      const onAbort = () => giveUp(signal.reason);
      const onTime = (isOver: boolean) => {
        const details = `no ${sent ? 'answer' : 'connection'} within ${Math.round(limitMs)} ms`;
        if (isOver) giveUp(new GrpcFailure(grpcCode.deadlineExceeded, details, { sent }));
      };
      // A sleep, not a timer of `after`: while a connection is made nothing else keeps the process alive.
      this.#clock.sleep(limitMs, timer.signal).then(onTime, giveUp);
      signal.addEventListener('abort', onAbort, { once: true });
      call.answer.finally(tidy).then(resolve, reject);
    });
  }

  async #mayGoOn<T>(
    plan: CallPlan<T>,
    failure: GrpcFailure,
    { tries, untilMs }: { readonly tries: number; readonly untilMs: number },
    signal: AbortSignal,
  ): Promise<boolean> {
    if (!failure.isTransient || (plan.resend === 'unsent' && failure.sent)) return false;
    if (tries % this.#endpoints.size === 0) {
      const pauseMs = backoffMs(tries / this.#endpoints.size, { ...backoff, random: this.#random });
      await this.#clock.sleep(Math.max(0, Math.min(pauseMs, untilMs - this.#clock.monotonicMs())), signal);
    }
    return untilMs - this.#clock.monotonicMs() >= shortestAttemptMs;
  }
}
